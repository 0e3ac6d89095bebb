"""The journal: the stream of events of a node as log lines and counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import structlog

from actors import (
    Cause,
    Exited,
    ObserverFailed,
    Outcome,
    RecordError,
    RecordingGaps,
    Restarting,
    StatusChanged,
    Stuck,
)
from clutch.node.errors import first_error

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Journal:
    """An observer for `Observatory.subscribe`: every call's way is logged with its sid."""

    _quality: Callable[[str], Mapping[str, Any]] = lambda _sid: {}
    """What to say about the media of a call that has just ended."""
    ended: Counter[str] = attrs.field(factory=Counter)
    """Ended calls by final status."""

    def note(self, event: object) -> None:
        """Log one event, if it is worth a line."""
        match event:
            case StatusChanged(sid, status, None):
                log.info("call.status", sid=sid, status=status.value)
            case StatusChanged(sid, status, Cause() as cause):
                self.ended[status.value] += 1
                log.info(
                    "call.ended",
                    sid=sid,
                    status=status.value,
                    reason=cause.reason.value,
                    by=cause.by.value,
                    sip=cause.sip,
                    q850=cause.q850,
                    text=cause.text,
                    **self._quality(sid),
                )
            case Exited(exit_) if exit_.error and isinstance(lost := first_error(exit_.error), RecordError):
                log.error("recording.lost", path=exit_.path, error=str(lost))
            case RecordingGaps(sid, lost_ms):
                log.warning("recording.gaps", sid=sid, lost_ms=lost_ms)
            case Exited(exit_) if exit_.outcome is Outcome.CRASHED:
                log.error("actor.crashed", path=exit_.path, generation=exit_.generation, exc_info=exit_.error)
            case Restarting(path, generation):
                log.warning("actor.restarting", path=path, generation=generation)
            case Stuck(path, waited_s):
                log.error("actor.stuck", path=path, waited_s=waited_s)
            case ObserverFailed(error):
                log.error("observer.failed", exc_info=error)
