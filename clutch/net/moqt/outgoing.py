"""Data streams of this side: subgroups and fetches. Runs per object and subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clutch.net.quic.engine import QuicStream
from clutch.wire.moqt.codes import ResetCode
from clutch.wire.moqt.fetch import EndOfRange, FetchObject, FetchWriter
from clutch.wire.moqt.session_request import Request

if TYPE_CHECKING:
    from clutch.net.moqt.session import MoqtSession


@attrs.define(eq=False)
class SubgroupWriter:
    """An open subgroup stream of this side."""

    _session: MoqtSession = attrs.field(repr=False)
    stream: QuicStream = attrs.field(repr=False)
    request: Request
    over: bool = attrs.field(init=False, default=False)
    """Finished, reset, or the peer wants no more of it: what is written is dropped."""

    @property
    def unsent(self) -> int:
        """Bytes that wait."""
        return self.stream.unsent

    def write(self, data: bytes, *, fin: bool = False) -> bool:
        """Encoded objects; False, and nothing is taken, if too much waits: see `MoqtHandler.writable`."""
        if self.over:
            return True
        if not self.stream.write(data, fin=fin):
            return False
        if fin:
            self._session.written(self)
        return True

    def finish(self) -> None:
        """FIN: the subgroup is complete. It goes out as soon as there is room."""
        if not self.write(b"", fin=True):
            self._session.unfinished[self] = None

    def reset(self, code: int = ResetCode.CANCELLED) -> None:
        """Give it up: it is not complete. Nothing happens if it is over."""
        if not self.over:
            self.stream.reset(self._session.reset_code(code))
            self._session.written(self)


@attrs.define(eq=False)
class FetchStream:
    """The open stream with the objects of a FETCH of the peer."""

    _session: MoqtSession = attrs.field(repr=False)
    stream: QuicStream = attrs.field(repr=False)
    request: Request
    _writer: FetchWriter = attrs.field(repr=False)
    over: bool = attrs.field(init=False, default=False)
    """As in `SubgroupWriter`."""
    _refused: tuple[FetchObject | EndOfRange, bytes] | None = attrs.field(
        init=False, default=None, repr=False
    )

    @property
    def unsent(self) -> int:
        """Bytes that wait."""
        return self.stream.unsent

    def write(self, item: FetchObject | EndOfRange) -> bool:
        """The next item, in the order of the request. False if too much waits: then the same again later."""
        if self.over:
            return True
        if self._refused is not None and self._refused[0] is item:
            data = self._refused[1]
        elif isinstance(item, FetchObject):
            data = self._writer.encode(item)
        else:
            data = self._writer.end_of_range(item)
        taken = self.stream.write(data)
        self._refused = None if taken else (item, data)
        return taken

    def finish(self) -> None:
        """FIN: everything was sent. It goes out as soon as there is room."""
        if self.over:
            return
        if self.stream.write(b"", fin=True):
            self._session.written(self)
        else:
            self._session.unfinished[self] = None

    def reset(self, code: int = ResetCode.CANCELLED) -> None:
        """Give it up. Nothing happens if it is over."""
        if not self.over:
            self.stream.reset(self._session.reset_code(code))
            self._session.written(self)
