"""What was refused for now is asked again, later and later."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import attrs
import trio

from clutch.client.backoff import Backoff
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.errors import LocalProtocolError, NotNow
from clutch.wire.moqt.messages import RequestError_

PASSING = frozenset(
    {
        RequestError.INTERNAL_ERROR,
        RequestError.TIMEOUT,
        RequestError.GOING_AWAY,
        RequestError.EXCESSIVE_LOAD,
        RequestError.DOES_NOT_EXIST,
    }
)
"""Refusals that may pass, also if the peer does not say when."""


@attrs.define(eq=False)
class Attempts:
    """The requests of one connection that are tried again; none of them once its nursery is cancelled."""

    _nursery: trio.Nursery = attrs.field(repr=False)
    _new_backoff: Callable[[], Backoff] = attrs.field(repr=False)
    _impossible: Callable[[Hashable, LocalProtocolError], None] = attrs.field(repr=False)
    """Told of what cannot be asked for at all."""
    _backoffs: dict[Hashable, Backoff] = attrs.field(init=False, factory=dict)

    def again(self, item: Hashable, ask: Callable[[], None], refusal: RequestError_ | None = None) -> bool:
        """Ask later, after the time that the peer demands; False if it said no for good."""
        if refusal is not None and refusal.retry_ms is None and refusal.code not in PASSING:
            self._backoffs.pop(item, None)
            return False
        wait_s = self._backoffs.setdefault(item, self._new_backoff()).next_s()
        if refusal is not None and refusal.retry_ms:
            wait_s += refusal.retry_ms / 1000
        self._nursery.start_soon(self._ask, wait_s, item, ask)
        return True

    def now(self, item: Hashable, ask: Callable[[], None]) -> None:
        """Ask, or later if it cannot be done now."""
        try:
            ask()
        except NotNow:  # if the peer is gone, so is the nursery
            self.again(item, ask)
        except LocalProtocolError as error:
            self._backoffs.pop(item, None)
            self._impossible(item, error)

    def after(self, wait_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._nursery.start_soon(self._ask, wait_s, action, action)

    def succeeded(self, item: Hashable) -> None:
        """The next refusal is the first again."""
        self._backoffs.pop(item, None)

    async def _ask(self, wait_s: float, item: Hashable, ask: Callable[[], None]) -> None:
        await trio.sleep(wait_s)
        self.now(item, ask)
