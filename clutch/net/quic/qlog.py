"""qlog 0.3 as JSON text sequences: one file per connection, nothing piles up in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from aioquic.quic.logger import QLOG_VERSION, QuicLogger, QuicLoggerTrace

_RECORD = "\x1e"
_PACKETS = frozenset({"datagrams_received", "packet_received", "packet_sent"})


class Trace(QuicLoggerTrace):
    """One connection's file."""

    def __init__(self, *, is_client: bool, odcid: bytes, folder: Path) -> None:
        super().__init__(is_client=is_client, odcid=odcid)
        side = "client" if is_client else "server"
        self._file: TextIO = (folder / f"{odcid.hex()}_{side}.sqlog").open("w")
        head = self.to_dict()
        del head["events"]
        self._write({"qlog_format": "JSON-SEQ", "qlog_version": QLOG_VERSION, "trace": head})

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """Write it down with the next packet: until then the frames of a received one are not known."""
        if event in _PACKETS:
            while self._events:
                self._write(self._events.popleft())
        super().log_event(category=category, event=event, data=data)

    def close(self) -> None:
        """Nothing follows."""
        while self._events:
            self._write(self._events.popleft())
        self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(f"{_RECORD}{json.dumps(record)}\n")


class QlogFolder(QuicLogger):
    """Where the files go."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def start_trace(self, is_client: bool, odcid: bytes) -> QuicLoggerTrace:
        """Begin a file."""
        return Trace(is_client=is_client, odcid=odcid, folder=self._folder)

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """End it."""
        if isinstance(trace, Trace):
            trace.close()
