"""Which connection there is: made, lost, made again, moved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import attrs
import trio

from clutch import __version__
from clutch.client.address import NodeAddress, parse_address
from clutch.client.backoff import Backoff
from clutch.client.errors import AddressError, ConnectionLost, ConnectionRefused
from clutch.client.link import Connect, Link
from clutch.client.roster import Roster
from clutch.client.values import MOVES, State, StateChanged
from clutch.net.errors import CertificateRejected, NetworkError
from clutch.net.quic.engine import Closed, Trust
from clutch.net.quic.errors import CertificateUnusable
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.parameters import Token
from clutch.wire.moqt.setup import Options

GetToken: TypeAlias = Callable[[], Awaitable[str]]
PROTOCOLS = ("moqt-18", "moqt-16")
"""Drafts that are spoken, best first."""
RETIRE_S = 1.0
"""How long a connection that we were sent away from is still listened to, once there is another."""
DRAIN_POLL_S = 0.01
STALE = frozenset({SessionError.UNAUTHORIZED, SessionError.EXPIRED_AUTH_TOKEN})
"""Ends that another token may mend."""
FINAL = STALE | {
    SessionError.MALFORMED_AUTH_TOKEN,
    SessionError.UNKNOWN_AUTH_TOKEN_ALIAS,
    SessionError.VERSION_NEGOTIATION_FAILED,
    SessionError.INVALID_PATH,
    SessionError.MALFORMED_PATH,
    SessionError.INVALID_AUTHORITY,
    SessionError.MALFORMED_AUTHORITY,
}
"""Ends after which there is no use in trying again."""
TRUST_HELP = (
    "the certificate is not trusted: say which is right, by its SHA-256 with Trust(fingerprint=...), "
    "or its authority with Trust(ca_file=...)"
)


@attrs.define(eq=False)
class Connector:
    """Keeps one connection to a node, as long as `run` runs."""

    _home: NodeAddress
    _connect: Connect = attrs.field(repr=False)
    _token: GetToken | None = attrs.field(repr=False)
    """Asked for with each connection."""
    _renews: bool
    """It may be another one the next time."""
    _trust: Trust = attrs.field(repr=False)
    _new_backoff: Callable[[], Backoff] = attrs.field(repr=False)
    _roster: Roster = attrs.field(repr=False)
    _report: Callable[[StateChanged], None] = attrs.field(repr=False)
    state: StateChanged = attrs.field(init=False, default=StateChanged(State.CONNECTING))
    link: Link | None = attrs.field(init=False, default=None)
    """The connection that everything new goes to."""
    links: list[Link] = attrs.field(init=False, factory=list)
    """All that are not over: also those that we were sent away from."""
    refused: ConnectionRefused | None = attrs.field(init=False, default=None)
    """Why there will be no connection any more."""
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)
    _backoff: Backoff = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._backoff = self._new_backoff()

    async def run(self) -> None:
        """Connect, and again, until cancelled or closed, or until the node will not have us."""
        async with trio.open_nursery() as self._nursery:
            try:
                await self._keep_connected()
            except ConnectionRefused as error:
                self.refused = error
                self._enter(State.FAILED, str(error))
                self._roster.end(error)

    async def _keep_connected(self) -> None:
        address = self._home
        while True:
            try:
                link = await self._open(address)
            except (NetworkError, ConnectionLost) as error:
                self._check_trust(error)
                address = self._home
                await self._pause(str(error))
                continue
            self._use(link)
            await link.left.wait()
            if self.state.state is State.CLOSED:
                return
            address = self._after(link, address)
            if link.granted:
                self._backoff.reset()
            if link.why is not None:
                self._check(link, link.why)
                await self._pause(_said(link.why))

    async def _open(self, address: NodeAddress) -> Link:
        """A connection that is up. Raises `NetworkError`, `ConnectionLost` or `ConnectionRefused`."""
        token = await self._token() if self._token is not None else ""
        options = Options(
            path=address.path or None,
            authority=address.authority,
            authorization=(Token.of(token.encode()),) if token else (),
            implementation=f"clutch/{__version__}",
        )
        link = Link(self._roster, options, self._new_backoff, self._lost)
        await self._nursery.start(link.run)
        await link.connect(self._connect, address.target(PROTOCOLS, self._trust))
        if link.why is not None:
            self._check(link, link.why)
            raise ConnectionLost(_said(link.why))
        return link

    def _use(self, link: Link) -> None:
        """Everything is on this connection from now on."""
        for old in self.links:
            self._nursery.start_soon(self._retire, old)
        self.links.append(link)
        self.link = link
        for item in self._roster.items():
            link.add(item)
        if self.state.state is not State.CONNECTED:
            self._enter(State.CONNECTED)
        self._roster.wake()

    async def _retire(self, link: Link) -> None:
        with trio.move_on_after(RETIRE_S):
            await link.over.wait()
        link.close()

    def _lost(self, link: Link) -> None:
        """A connection has ended, whichever."""
        if link in self.links:
            self.links.remove(link)
        if link is self.link:
            self.link = None
            assert link.why is not None
            self._enter(State.RECONNECTING, _said(link.why))

    def _after(self, link: Link, address: NodeAddress) -> NodeAddress:
        """Where to go when this one is left."""
        if not link.away:
            return self._home if link.away is None else address
        try:
            return parse_address(link.away)
        except AddressError:
            return self._home

    def _check(self, link: Link, why: Closed) -> None:
        """Raises `ConnectionRefused` if there is no use in trying again."""
        if why.by != "peer" or not why.application or why.code not in FINAL:
            return
        if why.code in STALE and link.granted and self._renews:
            return
        raise ConnectionRefused(_said(why))

    def _check_trust(self, error: Exception) -> None:
        """Raises `ConnectionRefused` if the certificate never was right: that one waits for a person."""
        if self.state.state is not State.CONNECTING:
            return
        if isinstance(error, CertificateUnusable):
            raise ConnectionRefused(str(error)) from error
        if isinstance(error, CertificateRejected):
            raise ConnectionRefused(f"{error}; {TRUST_HELP}") from error

    async def _pause(self, reason: str) -> None:
        wait_s = self._backoff.next_s()
        if self.link is None:
            was = self.state.state
            self._enter(State.CONNECTING if was is State.CONNECTING else State.RECONNECTING, reason, wait_s)
        await trio.sleep(wait_s)

    def _enter(self, state: State, reason: str = "", retry_s: float | None = None) -> None:
        assert state in MOVES[self.state.state], (self.state.state, state)
        self.state = StateChanged(state, reason, self._backoff.failed, retry_s)
        self._report(self.state)

    async def close(self) -> None:
        """Wait until everything is sent, and end every connection."""
        self.link = None
        while any(link.unsent for link in self.links):  # noqa: ASYNC110 - an engine does not say
            await trio.sleep(DRAIN_POLL_S)
        self._enter(State.CLOSED)
        for link in list(self.links):
            link.close()


def _said(closed: Closed) -> str:
    """How a connection ended, for people."""
    if closed.by == "timeout":
        return "the node is not heard any more"
    code = f"{closed.code:#x}"
    with suppress(ValueError):
        code = SessionError(closed.code).name if closed.application else code
    return f"{code}: {closed.reason}" if closed.reason else f"the connection ended with {code}"
