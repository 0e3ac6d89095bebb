"""One stream of what happens: logs, metrics, dashboards and tests read the same events."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs


class Outcome(enum.Enum):
    """How one generation of an actor ended."""

    NORMAL = "normal"
    """It returned by itself."""
    STOPPED = "stopped"
    """Its supervisor asked, and it went without an error."""
    CRASHED = "crashed"
    """It raised, by itself or while being stopped."""


@attrs.frozen
class Exit:
    """The end of one generation."""

    path: str
    generation: int
    outcome: Outcome
    reason: str | None = None
    """Why it was asked to stop; None if it was not asked."""
    error: Exception | None = None
    """What it raised. None after a KeyboardInterrupt or SystemExit, which pass through every supervisor."""


@attrs.frozen
class Started:
    """An actor said that it is ready."""

    path: str
    generation: int


@attrs.frozen
class Exited:
    """An actor ended. Emitted in the same step in which its name leaves the registry."""

    exit: Exit


@attrs.frozen
class Restarting:
    """A supervisor is about to start the next generation of an actor."""

    path: str
    generation: int
    """The generation to come."""


@attrs.frozen
class Stuck:
    """An actor outlived its whole stop ladder. The supervisor goes on waiting: a task cannot be killed."""

    path: str
    waited_s: float


@attrs.frozen
class ObserverFailed:
    """An observer raised; it was taken off the stream."""

    error: Exception


Observer = Callable[[object], None]


@attrs.define(eq=False)
class Observatory:
    """Hands every event to every observer, synchronously and in order."""

    _observers: list[Observer] = attrs.field(factory=list)

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event from now on. Returns a function that ends that."""
        self._observers.append(observer)
        return lambda: self._remove(observer)

    def emit(self, event: object) -> None:
        """Hand out an event. Never raises, never yields: emitters rely on both in the middle of a step."""
        failures: list[ObserverFailed] = []
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception as error:  # an observer must not bring an actor down
                self._remove(observer)
                failures.append(ObserverFailed(error))
        for failure in failures:
            self.emit(failure)

    def _remove(self, observer: Observer) -> None:
        if observer in self._observers:
            self._observers.remove(observer)
