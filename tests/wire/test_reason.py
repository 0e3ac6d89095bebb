"""The Reason header (RFC 3326)."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Request
from clutch.wire.sip.reason import Q850, SIP, ReasonValue, cause_of, reasons_of
from clutch.wire.sip.uri import Uri


def bye(*reasons: str) -> Request:
    headers = Headers([("Reason", reason) for reason in reasons])
    return Request("BYE", Uri.parse("sip:a@b"), headers)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Q.850;cause=16;text="Normal call clearing"', ReasonValue(Q850, 16, "Normal call clearing")),
        ("SIP;cause=600", ReasonValue(SIP, 600)),
        ("Preemption", ReasonValue("Preemption")),
        (r'SIP;cause=480;text="He said \"no\""', ReasonValue(SIP, 480, 'He said "no"')),
    ],
)
def test_round_trip(text: str, value: ReasonValue) -> None:
    assert ReasonValue.parse(text) == value
    assert str(value) == text


@pytest.mark.parametrize("text", ["", ";cause=1", "a b", "Q.850;cause=many"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        ReasonValue.parse(text)


def test_all_values_of_a_message_are_found_by_protocol() -> None:
    reasons = reasons_of(bye("SIP;cause=200, Q.850 ;cause=16"))
    assert (cause_of(reasons, Q850), cause_of(reasons, SIP), cause_of(reasons, "X")) == (16, 200, None)


def test_a_bad_value_hides_what_comes_after_it_and_is_no_error() -> None:
    assert reasons_of(bye("SIP;cause=200", "Q.850;cause=many")) == (ReasonValue(SIP, 200),)


def test_a_text_of_several_lines_becomes_one() -> None:
    assert str(ReasonValue(SIP, 500, "first\r\n  second")) == 'SIP;cause=500;text="first second"'
