"""What aioquic is told about each connection."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import attrs
from aioquic.quic.configuration import QuicConfiguration

from clutch.net.quic.aioquic_private import CID_BYTES
from clutch.net.quic.certificates import Certificate
from clutch.net.quic.engine import Limits, Target

H3 = "h3"
"""The ALPN of HTTP/3, which carries WebTransport."""
STREAM_WINDOW = 1 << 20
"""Most bytes that a stream may have on the way; of all together `Limits.session_unread`."""
_DATAGRAM_FRAME = 65_536


@attrs.define(eq=False)
class Configurations:
    """Makes aioquic's configurations."""

    _protocols: Sequence[str]
    _limits: Limits
    _congestion: str
    _server: tuple[Certificate, QuicConfiguration] | None = attrs.field(init=False, default=None, repr=False)

    def server(self, certificate: Certificate) -> QuicConfiguration:
        """For a connection that is shown this certificate."""
        if self._server is None or self._server[0] is not certificate:
            made = self._common(is_client=False, protocols=[*self._protocols, H3])
            made.certificate, *made.certificate_chain = certificate.chain
            made.private_key = certificate.key
            self._server = certificate, made
        return self._server[1]

    def client(self, target: Target) -> QuicConfiguration:
        """For a connection to there."""
        web = target.kind == "webtransport"
        made = self._common(is_client=True, protocols=[H3] if web else target.protocols)
        made.server_name = target.host
        trust = target.trust
        if trust.insecure or trust.fingerprint is not None:
            made.verify_mode = ssl.CERT_NONE  # a fingerprint is checked when the certificate is known
        elif trust.ca_file is not None:
            made.load_verify_locations(str(trust.ca_file))
        else:
            system = ssl.get_default_verify_paths()
            made.load_verify_locations(system.cafile, system.capath)
        return made

    def _common(self, *, is_client: bool, protocols: Sequence[str]) -> QuicConfiguration:
        return QuicConfiguration(
            is_client=is_client,
            alpn_protocols=list(protocols),
            congestion_control_algorithm=self._congestion,
            connection_id_length=CID_BYTES,
            idle_timeout=self._limits.idle_s,
            max_data=self._limits.session_unread,
            max_stream_data=min(STREAM_WINDOW, self._limits.session_unread),
            max_datagram_frame_size=_DATAGRAM_FRAME,
        )
