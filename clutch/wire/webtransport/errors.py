"""Errors of WebTransport, with the answer to give."""

from __future__ import annotations

from clutch.wire.webtransport.codes import ErrorCode


class RemoteProtocolError(Exception):
    """The peer broke a rule. Whoever raises it says whether `code` is for the stream or the connection."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"
