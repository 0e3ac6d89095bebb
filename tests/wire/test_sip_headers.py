"""The header collection: order, names, compact forms and comma lists."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.headers import COMMA_LISTS, COMPACT_FORMS, MAX_VALUES, Headers


def test_names_match_in_any_case_and_keep_their_spelling() -> None:
    headers = Headers([("X-Thing", "1"), ("x-thing", "2")])
    assert headers.get("X-THING") == "1"
    assert headers.get_all("x-Thing") == ["1", "2"]
    assert list(headers.items()) == [("X-Thing", "1"), ("x-thing", "2")]
    assert "x-thing" in headers
    assert "other" not in headers
    assert (len(headers), headers.count("x-thing")) == (2, 2)


@pytest.mark.parametrize(("short", "long"), COMPACT_FORMS.items())
def test_compact_forms_are_the_long_ones(short: str, long: str) -> None:
    headers = Headers([(short.upper(), "a")])
    assert list(headers.items()) == [(long, "a")]
    assert headers.get(long) == headers.get(short) == "a"
    headers.remove(short)
    assert len(headers) == 0


def test_registered_compact_forms() -> None:
    assert "".join(sorted(COMPACT_FORMS)) == "abcdefijklmnorstuvxy"


def test_comma_lists_are_split_outside_quotes_and_brackets() -> None:
    headers = Headers(
        [
            ("Contact", '"a, \\"b" <sip:a,b@h>;x="1,2" ,<sip:c@h>'),
            ("Supported", ""),
            ("Contact", "sip:d@h"),
            ("Supported", "100rel, timer"),
        ]
    )
    assert headers.get_all("Contact") == ['"a, \\"b" <sip:a,b@h>;x="1,2"', "<sip:c@h>", "sip:d@h"]
    assert headers.get_all("k") == ["100rel", "timer"]
    assert headers.get("Contact") == '"a, \\"b" <sip:a,b@h>;x="1,2" ,<sip:c@h>'


def test_commas_are_text_elsewhere() -> None:
    assert Headers([("Date", "Sat, 13 Nov 2010 23:29:00 GMT")]).get_all("Date") == [
        "Sat, 13 Nov 2010 23:29:00 GMT"
    ]
    assert not COMMA_LISTS & {
        "www-authenticate",
        "proxy-authenticate",
        "authorization",
        "subject",
        "user-agent",
    }


@pytest.mark.parametrize("value", ['"a, <sip:b@c>', "<sip:a@b, c"])
def test_lists_that_cannot_be_split(value: str) -> None:
    headers = Headers([("Contact", value)])
    with pytest.raises(SipParseError):
        headers.get_all("Contact")
    with pytest.raises(SipParseError):
        headers.remove_first("Contact")


def test_long_lists_are_refused() -> None:
    headers = Headers([("Via", ", ".join(["SIP/2.0/UDP h"] * (MAX_VALUES - 1))), ("Via", "SIP/2.0/UDP h")])
    assert len(headers.get_all("Via")) == MAX_VALUES
    headers.add("Via", "SIP/2.0/UDP h")
    with pytest.raises(SipParseError) as caught:
        headers.get_all("Via")
    assert caught.value.status == 513


def test_edits() -> None:
    headers = Headers([("To", "t"), ("Via", "1"), ("Via", "2"), ("From", "f")])
    headers.prepend("v", " 0 ")
    headers.prepend("Route", "r")
    assert list(headers.items())[:3] == [("Route", "r"), ("To", "t"), ("Via", "0")]
    headers.set("via", "only")
    headers.set("New", "n")
    headers.add("To", "again")
    assert list(headers.items()) == [
        ("Route", "r"),
        ("To", "t"),
        ("via", "only"),
        ("From", "f"),
        ("New", "n"),
        ("To", "again"),
    ]
    headers.remove("to")
    headers.remove("to")
    assert headers.get("To") is None
    assert headers.get_all("To") == []


def test_remove_first_takes_one_value() -> None:
    headers = Headers([("Route", "<sip:a>, <sip:b>"), ("Route", "<sip:c>"), ("Subject", "x, y")])
    for rest in (["<sip:b>", "<sip:c>"], ["<sip:c>"], [], []):
        headers.remove_first("Route")
        assert headers.get_all("Route") == rest
    headers.remove_first("Subject")
    assert len(headers) == 0


def test_copies_are_independent() -> None:
    headers = Headers([("To", "t")])
    twin = headers.copy()
    twin.add("From", "f")
    assert headers != twin
    assert headers == Headers([("TO", "t")])
    assert headers != Headers([("To", "T")])
    assert headers != [("To", "t")]
    assert repr(headers) == "Headers([('To', 't')])"
