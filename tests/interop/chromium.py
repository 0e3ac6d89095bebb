"""Chromium without a window, and the pages of tests/interop/web that it opens and hears the results of."""

from __future__ import annotations

import http.server
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import trio

PAGES = Path(__file__).parent / "web"
HOST = "127.0.0.1"
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it runs as root
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the pages, and takes what they report."""

    def __init__(self, reports: queue.Queue[Any], *arguments: Any) -> None:
        self._reports = reports
        super().__init__(*arguments, directory=str(PAGES))

    def do_POST(self) -> None:
        """A report."""
        self._reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@attrs.define(eq=False)
class Chromium:
    """A browser with one page."""

    folder: Path
    """Of its profile and its log."""
    origin: str
    """Of the pages."""
    _reports: queue.Queue[Any]

    @contextmanager
    def page(self, name: str, **query: object) -> Iterator[None]:
        """Show a page as long as the block lasts."""
        url = f"{self.origin}/{name}?{urlencode(query)}"
        profile = f"--user-data-dir={self.folder / 'profile'}"
        with (self.folder / "chromium.log").open("wb") as log:
            browser = subprocess.Popen(["chromium", *_OPTIONS, profile, url], stdout=log, stderr=log)
        try:
            yield
        finally:
            browser.terminate()
            browser.wait()

    async def report(self) -> Any:
        """What the page reports next."""
        while True:
            try:
                return self._reports.get_nowait()
            except queue.Empty:
                await trio.sleep(0.02)


@contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    """A browser that can show pages."""
    reports: queue.Queue[Any] = queue.Queue()
    server = http.server.ThreadingHTTPServer((HOST, 0), partial(_Handler, reports))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Chromium(folder, f"http://{HOST}:{server.server_port}", reports)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
