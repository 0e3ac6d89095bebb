"""G.711 against the standard's tables."""

from __future__ import annotations

import warnings
from types import ModuleType

import numpy as np
import pytest

from clutch.media.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(65_536, dtype=np.uint16).view(np.int16)


@pytest.fixture
def audioop() -> ModuleType:
    """The standard library's G.711; Python 3.13 has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module: ModuleType = pytest.importorskip("audioop", reason="gone from Python 3.13")
        return module


def test_every_code_and_sample_as_the_standard_library(audioop: ModuleType) -> None:
    assert decode_ulaw(EVERY_CODE).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert decode_alaw(EVERY_CODE).tobytes() == audioop.alaw2lin(EVERY_CODE, 2)
    assert encode_ulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2)
    assert encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)


def test_ends_and_middle_of_the_tables() -> None:
    codes = bytes([0x00, 0x7F, 0x80, 0xFF, 0xF0])
    assert decode_ulaw(codes).tolist() == [-32_124, 0, 32_124, 0, 120]
    codes = bytes([0x2A, 0x55, 0xAA, 0xD5, 0xC5])
    assert decode_alaw(codes).tolist() == [-32_256, -8, 32_256, 8, 264]


def test_every_code_comes_back() -> None:
    assert encode_alaw(decode_alaw(EVERY_CODE)) == EVERY_CODE
    # mu-law has two zeros; the negative one is never written.
    assert encode_ulaw(decode_ulaw(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")
