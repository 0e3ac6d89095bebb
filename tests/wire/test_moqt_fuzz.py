"""The short form of `make fuzz` for MoQT."""

from __future__ import annotations

from tests.wire.moqt_fuzz import fuzz


def test_nothing_is_found() -> None:
    assert fuzz(1, lambda tried: tried < 10_000) == 10_000
