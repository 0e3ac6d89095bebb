"""Errors of the MoQT wire, sorted by blame."""

from __future__ import annotations

from clutch.wire.moqt.codes import SessionError


class MoqtError(Exception):
    """Any error that `clutch.wire.moqt` raises on purpose."""


class RemoteProtocolError(MoqtError):
    """The peer broke the draft. `code` is what to close the session with; `text` names field and rule."""

    def __init__(self, code: SessionError, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"


class LocalProtocolError(MoqtError):
    """Our own code asked for something that the draft cannot say or forbids. Nothing was changed or sent."""


class NotNow(LocalProtocolError):
    """It may be asked for later: the peer takes no requests now, or one that has not ended is in the way."""


def violation(text: str) -> RemoteProtocolError:
    """The error for most of what a peer can do wrong: PROTOCOL_VIOLATION."""
    return RemoteProtocolError(SessionError.PROTOCOL_VIOLATION, text)
