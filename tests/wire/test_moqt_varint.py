"""The example encodings of draft 18 and of RFC 9000."""

from __future__ import annotations

import pytest

from clutch.wire.moqt.varint import get_quic, get_vi64, put_quic, put_vi64


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("25", 37),
        ("8025", 37),
        ("bbbd", 15_293),
        ("ed7f3e7d", 226_442_877),
        ("faa1a0e403d8", 2_893_212_287_960),
        ("fc8998abc66bc0", 151_288_809_941_952),
        ("fefa318fa8e3ca11", 70_423_237_261_249_041),
        ("ffffffffffffffffff", 18_446_744_073_709_551_615),
    ],
)
def test_vi64(data: str, value: int) -> None:
    # Draft 18, section 1.4.1.
    raw = bytes.fromhex(data)
    assert get_vi64(b"x" + raw + b"y", 1) == (value, 1 + len(raw))
    if data != "8025":  # not the shortest
        assert put_vi64(value) == raw


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
        ("4025", 37),
    ],
)
def test_quic_varint(data: str, value: int) -> None:
    # RFC 9000, appendix A.1.
    raw = bytes.fromhex(data)
    assert get_quic(b"x" + raw + b"y", 1) == (value, 1 + len(raw))
    if data != "4025":  # not the shortest
        assert put_quic(value) == raw
