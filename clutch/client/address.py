"""Addresses of nodes: ``moqt://host:4443`` is raw QUIC, ``https://host:4443/moq`` is WebTransport."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import attrs

from clutch.client.errors import AddressError
from clutch.net.quic.engine import Kind, Target, Trust

DEFAULT_PORT = 443
"""Where a node listens if the address does not say (draft-ietf-moq-transport-18, 3.1.1)."""
_KINDS: dict[str, Kind] = {"moqt": "quic", "https": "webtransport"}


@attrs.frozen
class NodeAddress:
    """A node, and how to speak to it."""

    kind: Kind
    host: str
    port: int
    path: str
    """Path and query: of the WebTransport session, or for the PATH option of raw QUIC; may be empty there."""

    @property
    def authority(self) -> str:
        """Host and port, as the AUTHORITY option of raw QUIC says them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"

    def target(self, protocols: Sequence[str], trust: Trust) -> Target:
        """The same for an engine."""
        return Target(self.host, self.port, protocols, self.kind, self.path or "/", trust)


def parse_address(url: str) -> NodeAddress:
    """Read an address; a fragment is not sent and so left out. Raises `AddressError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"{url[:200]}: {error}") from error
    if parts.scheme not in _KINDS:
        raise AddressError(f"{url[:200]}: an address begins with moqt:// or https://")
    if not parts.hostname:
        raise AddressError(f"{url[:200]}: there is no host in it")
    if "@" in parts.netloc:
        raise AddressError("an address holds no user and no password; a token is given separately")
    return NodeAddress(_KINDS[parts.scheme], parts.hostname, port or DEFAULT_PORT, _path(parts))


def _path(parts: SplitResult) -> str:
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not path.isascii() or not path.isprintable() or " " in path:
        raise AddressError("the path of an address is ASCII without spaces; write the rest as %XX")
    return path
