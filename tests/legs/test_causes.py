"""Causes as SIP says them, both ways."""

from __future__ import annotations

import pytest

from actors.call import Cause, Party, Reason
from clutch.legs.causes import cause_of_bye, cause_of_failure, cause_of_status, reasons_for
from clutch.net.sip import Failure
from clutch.wire.sip.reason import Q850, SIP, ReasonValue


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, Reason.REJECTED),
        (401, Reason.REJECTED),
        (403, Reason.REJECTED),
        (404, Reason.NOT_FOUND),
        (408, Reason.UNREACHABLE),
        (480, Reason.NO_ANSWER),
        (486, Reason.BUSY),
        (487, Reason.CANCELLED),
        (488, Reason.NOT_ACCEPTABLE),
        (500, Reason.UNREACHABLE),
        (503, Reason.UNREACHABLE),
        (600, Reason.BUSY),
        (603, Reason.REJECTED),
        (606, Reason.NOT_ACCEPTABLE),
    ],
)
def test_final_responses(status: int, reason: Reason) -> None:
    cause = cause_of_status(status, "Because", None, Party.CALLEE)
    assert cause == Cause(reason, Party.CALLEE, status, text="Because")


def test_a_q850_cause_of_the_peer_counts() -> None:
    assert cause_of_status(480, "", 20, Party.CALLEE).q850 == 20
    bye = cause_of_bye([ReasonValue(SIP, 200), ReasonValue(Q850, 31, "Unspecified")], Party.CALLER)
    assert bye == Cause(Reason.NORMAL, Party.CALLER, 200, 31, "Unspecified")
    assert cause_of_bye([], Party.CALLER) == Cause(Reason.NORMAL, Party.CALLER, 200, 16)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Failure.TIMEOUT, Reason.UNREACHABLE),
        (Failure.TRANSPORT, Reason.UNREACHABLE),
        (Failure.NO_ACK, Reason.NO_ACK),
    ],
)
def test_failures(kind: Failure, reason: Reason) -> None:
    assert cause_of_failure(kind, Party.CALLER).reason is reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_ours_can_be_said(reason: Reason) -> None:
    (value,) = reasons_for(Cause(reason, Party.NODE))
    assert ReasonValue.parse(str(value)) == value
    assert value.protocol == Q850
    assert value.text == reason.value
