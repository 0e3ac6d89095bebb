"""Traces: what happened, in order, as lines that a test can compare."""

from __future__ import annotations

import attrs

from actors.call import Cause, StatusChanged
from actors.runtime import Exit, Exited, ObserverFailed, Outcome, Restarting, Started, Stuck, System

ROAD_DOWN = ("agent", "bridge", "recorder", "leg")
"""The order in which a call's actors are stopped, whoever ends it."""


@attrs.define(eq=False)
class Trace:
    """Listens to a system's events. `lines` reads like ``start s1/leg``, ``s1 in_progress``, ``exit s1/leg
    normal``, ``restart s1/agent``, ``stuck …``; paths are relative to the pool of calls."""

    prefix: str = "node/calls/"
    lines: list[str] = attrs.field(factory=list)
    exits: list[Exit] = attrs.field(factory=list)
    finals: list[StatusChanged] = attrs.field(factory=list)
    opened: set[str] = attrs.field(factory=set)
    """The sids of which anything was heard."""
    observer_errors: list[Exception] = attrs.field(factory=list)

    @classmethod
    def of(cls, system: System) -> Trace:
        """Start listening."""
        trace = cls()
        system.observe.subscribe(trace.note)
        return trace

    def note(self, event: object) -> None:
        """Take down one event."""
        match event:
            case Started(path, _):
                self._line(f"start {self._short(path)}", path)
            case Exited(exit_):
                self.exits.append(exit_)
                self._line(f"exit {self._short(exit_.path)} {exit_.outcome.value}", exit_.path)
            case Restarting(path, _):
                self._line(f"restart {self._short(path)}", path)
            case Stuck(path, _):
                self.lines.append(f"stuck {self._short(path)}")
            case StatusChanged(sid, status, _):
                self.opened.add(sid)
                self.lines.append(f"{sid} {status.value}")
                if status.final:
                    self.finals.append(event)
            case ObserverFailed(error):
                self.observer_errors.append(error)

    def final(self, sid: str) -> tuple[str, Cause]:
        """The one final status and cause of a call; AssertionError if there is not exactly one."""
        finals = [event for event in self.finals if event.sid == sid]
        assert len(finals) == 1, f"{sid} has {len(finals)} final statuses: {finals}"
        assert finals[0].cause is not None
        return finals[0].status.value, finals[0].cause

    def road(self, sid: str) -> list[str]:
        """The names of the call's actors in the order in which they last exited."""
        last = self._last_exits(sid)
        return [name for name, _ in sorted(last.items(), key=lambda item: item[1])]

    def problems(self) -> list[str]:
        """What every trace must keep, whatever the story: one final status per call, stopped actors in the
        one order, nobody stuck."""
        found = [line for line in self.lines if line.startswith("stuck ")]
        found += [f"observer failed: {error!r}" for error in self.observer_errors]
        for sid in sorted(self.opened):
            finals = [event for event in self.finals if event.sid == sid]
            if len(finals) != 1:
                found.append(f"{sid} has {len(finals)} final statuses")
            stopped = [
                name for name in self.road(sid) if self.exits[self._last_exits(sid)[name]].reason is not None
            ]
            if stopped != [name for name in ROAD_DOWN if name in stopped]:
                found.append(f"{sid} was stopped in the order {stopped}")
        return found

    def errors(self) -> list[Exception]:
        """Every error that an actor ended with, groups taken apart."""
        return [leaf for exit_ in self.exits if exit_.error for leaf in leaves(exit_.error)]

    def crashed(self) -> list[str]:
        """Short paths of actors that crashed, in order."""
        return [self._short(exit_.path) for exit_ in self.exits if exit_.outcome is Outcome.CRASHED]

    def _last_exits(self, sid: str) -> dict[str, int]:
        prefix = f"{self.prefix}{sid}/"
        return {
            exit_.path.removeprefix(prefix): index
            for index, exit_ in enumerate(self.exits)
            if exit_.path.startswith(prefix)
        }

    def _line(self, line: str, path: str) -> None:
        if path.startswith(self.prefix):
            self.lines.append(line)

    def _short(self, path: str) -> str:
        return path.removeprefix(self.prefix)


def leaves(error: BaseException) -> list[Exception]:
    """The plain exceptions inside a (nested) group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error] if isinstance(error, Exception) else []
