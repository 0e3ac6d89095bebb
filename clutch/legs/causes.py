"""Causes of a call's end as SIP says them, both ways (RFC 3261 section 21, RFC 3326, ITU-T Q.850)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.call import REASONS, Cause, Party, Reason
from clutch.net.sip.events import Failure
from clutch.wire.sip.reason import Q850, ReasonValue, cause_of

STATUS_REASONS: Mapping[int, Reason] = {
    404: Reason.NOT_FOUND,
    408: Reason.UNREACHABLE,
    410: Reason.NOT_FOUND,
    415: Reason.NOT_ACCEPTABLE,
    480: Reason.NO_ANSWER,
    484: Reason.NOT_FOUND,
    486: Reason.BUSY,
    487: Reason.CANCELLED,
    488: Reason.NOT_ACCEPTABLE,
    600: Reason.BUSY,
    604: Reason.NOT_FOUND,
    606: Reason.NOT_ACCEPTABLE,
}
"""What a final response to an INVITE means; another 5xx is `UNREACHABLE`, everything else `REJECTED`."""

FAILURES: Mapping[Failure, Reason] = {
    Failure.TIMEOUT: Reason.UNREACHABLE,
    Failure.TRANSPORT: Reason.UNREACHABLE,
    Failure.NO_ACK: Reason.NO_ACK,
}
"""What a session that failed by itself means."""


def cause_of_status(status: int, text: str, q850: int | None, by: Party) -> Cause:
    """Why a call was refused with a final response; `q850` is what its Reason header said, if it had one."""
    reason = STATUS_REASONS.get(status, Reason.UNREACHABLE if 500 <= status < 600 else Reason.REJECTED)
    return Cause(reason, by, status, REASONS[reason].q850 if q850 is None else q850, text)


def cause_of_failure(kind: Failure, by: Party) -> Cause:
    """Why a session ended that nobody ended; the far side is to blame."""
    return Cause(FAILURES[kind], by, text=kind.value)


def cause_of_bye(reasons: Sequence[ReasonValue], by: Party) -> Cause:
    """Why the far side hung up: normally, unless its Reason header has another Q.850 cause to tell."""
    q850 = cause_of(tuple(reasons), Q850)
    text = next((reason.text for reason in reasons if reason.text), "")
    return Cause(Reason.NORMAL, by, 200, REASONS[Reason.NORMAL].q850 if q850 is None else q850, text)


def reasons_for(cause: Cause) -> list[ReasonValue]:
    """The Reason header of our BYE or refusal."""
    return [ReasonValue(Q850, cause.q850, cause.text or cause.reason.value)]
