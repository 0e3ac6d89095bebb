"""Patterns of namespaces, and what a grant says by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.auth.errors import BadPattern
from clutch.auth.grants import OPEN, Grant
from clutch.auth.patterns import Pattern

FIELDS = st.lists(st.sampled_from([b"voice", b"a", b"b"]), max_size=4).map(tuple)
PATTERNS = st.builds(
    lambda fields, end: "/".join([*fields, *end]),
    st.lists(st.sampled_from(["voice", "a", "b", "*"]), min_size=1, max_size=4),
    st.sampled_from([[], ["**"]]),
).map(Pattern.parse)


def namespace(text: str) -> tuple[bytes, ...]:
    """Its fields."""
    return tuple(part.encode() for part in text.split("/")) if text else ()


@pytest.mark.parametrize(
    ("pattern", "match", "other"),
    [
        ("voice", ["voice"], ["", "voic", "voices", "voice/a", "a/voice"]),
        (
            "voice/*/uplink",
            ["voice/a/uplink", "voice/*/uplink"],
            ["voice/uplink", "voice/a/b/uplink", "voice/a"],
        ),
        ("voice/ab/**", ["voice/ab", "voice/ab/uplink", "voice/ab/x/y"], ["voice", "voice/abc/uplink"]),
        ("*", ["voice"], ["", "voice/a"]),
        ("*/**", ["voice", "voice/a"], [""]),
        ("**", ["", "voice", "voice/a/b/c/d"], []),
        ("stra\u00dfe", ["stra\u00dfe"], ["strasse"]),
    ],
)
def test_matches(pattern: str, match: list[str], other: list[str]) -> None:
    read = Pattern.parse(pattern)
    assert str(read) == pattern
    assert [text for text in match if not read.matches(namespace(text))] == []
    assert [text for text in other if read.matches(namespace(text))] == []


def test_a_star_takes_any_bytes() -> None:
    assert Pattern.parse("voice/*").matches((b"voice", b"\xff/\x00"))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "has an empty field"),
        ("/voice", "has an empty field"),
        ("voice/", "has an empty field"),
        ("voice//a", "has an empty field"),
        ("**/voice", "has ** before its end"),
        ("voice/a*", "has * within a field; it stands for a whole one"),
        ("***", "has * within a field; it stands for a whole one"),
        ("a/" * 33 + "**", "has more than 32 fields"),
        ("voice/\ud800", "has half a surrogate pair"),
    ],
)
def test_a_bad_pattern_is_told_what_is_wrong(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Pattern.parse(pattern)
    assert str(caught.value) == why


@given(PATTERNS, FIELDS, FIELDS)
def test_what_is_found_below_a_prefix_overlaps_it(
    pattern: Pattern, prefix: tuple[bytes, ...], rest: tuple[bytes, ...]
) -> None:
    if pattern.matches(prefix + rest):
        assert pattern.overlaps(prefix)


@given(PATTERNS, FIELDS)
def test_a_prefix_that_overlaps_has_something_below(pattern: Pattern, prefix: tuple[bytes, ...]) -> None:
    rest = tuple(field or b"x" for field in pattern.fields[len(prefix) :])
    assert pattern.overlaps(prefix) == pattern.matches(prefix + rest)


def test_publish_and_subscribe_are_apart() -> None:
    up, down = Pattern.parse("voice/*/uplink"), Pattern.parse("voice/*/downlink")
    grant = Grant("acme", "", (down,), (up,))
    uplink = (b"voice", b"ab", b"uplink")
    assert grant.may_subscribe(uplink)
    assert not grant.may_publish(uplink)
    assert grant.may_subscribe_prefix((b"voice",))
    assert grant.may_publish_prefix((b"voice", b"ab"))
    assert not grant.may_subscribe_prefix((b"text",))
    assert not grant.may_publish_prefix(uplink)
    assert not grant.may_subscribe((b"voice",))


def test_open_is_everything() -> None:
    assert OPEN.may_publish((b"a",))
    assert OPEN.may_subscribe_prefix(())
    assert OPEN.expires_at is None
