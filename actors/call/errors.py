"""What can go wrong with a call, sorted by blame."""

from __future__ import annotations

from actors.call.cause import CallStatus, Cause


class CallError(Exception):
    """Base of every error of the call tree."""


class LegEnded(CallError):
    """The far side ended the leg before it was answered, or could not be reached."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"{cause.reason.value} by {cause.by.value} ({cause.sip} {cause.text})")
        self.cause = cause


class MediaUnavailable(CallError):
    """No media stream can be opened, because every port is taken. Refuse the call with 503."""


class RecordError(CallError):
    """A recording cannot go on. What was written until then is valid; the message names it."""


class DownlinkTaken(CallError):
    """Somebody else speaks to the caller, and one at a time may. `by` says who: see `Speaker`."""

    def __init__(self, by: str) -> None:
        super().__init__(f"the downlink is taken by an {by}")
        self.by = by


class IllegalMove(CallError):
    """Our own bug: a call status tried to move against `CALL_MOVES`. Nothing was changed."""

    def __init__(self, sid: str, old: CallStatus, new: CallStatus) -> None:
        super().__init__(f"call {sid} cannot move from {old.value} to {new.value}")
