"""aioquic's HTTP/3."""

from __future__ import annotations

from aioquic.h3.connection import H3Connection

from clutch.net.quic.aioquic_private.quic import Quic
from clutch.wire.webtransport import SETTINGS


class Http3(H3Connection):
    """aioquic's HTTP/3, with the settings of WebTransport and an account of what it keeps.

    Only streams of HTTP/3 itself are given to it: aioquic takes the peer's answer on a bidirectional stream
    of WebTransport for frames.
    """

    def __init__(self, quic: Quic) -> None:
        super().__init__(quic, enable_webtransport=True)

    def _get_local_settings(self) -> dict[int, int]:
        return {**super()._get_local_settings(), **SETTINGS}

    @property
    def critical_streams(self) -> list[int]:
        """Streams of ours that must not end."""
        ours = (self._local_control_stream_id, self._local_encoder_stream_id, self._local_decoder_stream_id)
        return [stream_id for stream_id in ours if stream_id is not None]

    @property
    def buffered(self) -> int:
        """Bytes of frames that are not complete."""
        return sum(len(stream.buffer) for stream in self._stream.values())

    def write(self, stream_id: int, data: bytes, *, fin: bool) -> None:
        """Send data on a stream, unless its end was sent."""
        stream = self._stream.get(stream_id)
        if stream is not None and not stream.sending_ended:
            self.send_data(stream_id, data, end_stream=fin)

    def forget(self, stream_id: int) -> None:
        """A stream was given up: nothing of it will be handed in or sent any more."""
        self._stream.pop(stream_id, None)
