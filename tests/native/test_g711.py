"""G.711 of the C core against the standard library's, for every code and every sample."""

from __future__ import annotations

import struct
import warnings
from types import ModuleType

import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")

PEER = ("192.0.2.1", 4000)
FRAME = 160


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    """The reference implementation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        reason = "left with Python 3.13; tests/contract compares with the twin's tables"
        module: ModuleType = pytest.importorskip("audioop", reason=reason)
        return module


def connected(codec: str) -> native.Core:
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(native.Params(PEER, codec, 8000, 0), 0)
    return core


@pytest.mark.parametrize(("codec", "encode"), [("pcmu", "lin2ulaw"), ("pcma", "lin2alaw")])
def test_every_sample_is_encoded(audioop: ModuleType, codec: str, encode: str) -> None:
    core = connected(codec)
    samples = range(-32768, 32768 + 64)  # whole frames
    pcm = struct.pack(f"={len(samples)}h", *(min(sample, 32767) for sample in samples))
    coded = b""
    for start in range(0, len(pcm), 2 * FRAME):
        core.send(pcm[start : start + 2 * FRAME])
        packet = core.tick(0).packet
        assert packet is not None
        coded += packet[12:]
    assert coded == getattr(audioop, encode)(pcm, 2)


@pytest.mark.parametrize(("codec", "decode"), [("pcmu", "ulaw2lin"), ("pcma", "alaw2lin")])
def test_every_code_is_decoded(audioop: ModuleType, codec: str, decode: str) -> None:
    core = connected(codec)
    codes = bytes(range(256)) + bytes(64)
    for number in range(2):
        header = struct.pack("!BBHII", 0x80, 0, number, 0, 7)
        core.receive(header + codes[FRAME * number : FRAME * (number + 1)], PEER, 0)
    heard = core.tick(40_000).uplink + core.tick(60_000).uplink
    assert heard == getattr(audioop, decode)(codes, 2)
