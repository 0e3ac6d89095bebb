"""QUIC's integers (RFC 9000 section 16 and appendix A.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clutch.wire.varint import MAX_VARINT, encode_varint, read_varint


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
    ],
)
def test_the_rfc_s_examples(wire: str, value: int) -> None:
    data = bytes.fromhex(wire)
    assert read_varint(data) == (value, len(data))
    assert encode_varint(value) == data


def test_a_longer_form_than_needed_is_read() -> None:
    assert read_varint(b"..\x40\x25", 2) == (37, 4)


@given(some.integers(0, MAX_VARINT), some.integers(0, 7))
def test_round_trip_and_no_early_end(value: int, short: int) -> None:
    data = encode_varint(value)
    assert read_varint(data) == (value, len(data))
    if short < len(data):
        assert read_varint(data[:short]) is None


@pytest.mark.parametrize("value", [-1, MAX_VARINT + 1])
def test_what_does_not_fit_is_our_error(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_varint(value)
