"""G.722 of the C core against ffmpeg's, bit for bit."""

from __future__ import annotations

import struct
from typing import Literal

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

import native

pytestmark = pytest.mark.usefixtures("native_library")

PEER = ("192.0.2.1", 4000)
PARAMS = native.Params(PEER, "g722", 16_000, 9, clock_hz=8000)
FRAME = 320
SECONDS = 2

Samples = NDArray[np.int16]


def signals() -> dict[str, Samples]:
    """What a call carries, and what it should not."""
    chance = np.random.default_rng(1)
    time_s = np.arange(SECONDS * 16_000) / 16_000
    tones = 8000 * np.sin(2 * np.pi * 440 * time_s) + 4000 * np.sin(2 * np.pi * 5200 * time_s)
    return {
        "tones": (tones + chance.normal(0, 500, len(time_s))).astype(np.int16),
        "full scale noise": chance.integers(-32_768, 32_768, len(time_s)).astype(np.int16),
        "square wave": np.where(time_s * 100 % 1 < 0.5, 32_767, -32_768).astype(np.int16),
        "nearly nothing": chance.integers(-2, 3, len(time_s)).astype(np.int16),
    }


def reference(mode: Literal["r", "w"]) -> AudioCodecContext:
    """The other implementation, opened to encode (``w``) or decode (``r``)."""
    context = AudioCodecContext.create("g722", mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16"
    context.options = {"trellis": "0"} if mode == "w" else {}
    return context


def reference_encode(pcm: Samples) -> bytes:
    context, coded = reference("w"), b""
    for part in pcm.reshape(-1, 1, FRAME):
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate = 16_000
        coded += b"".join(bytes(packet) for packet in context.encode(frame))
    return coded


def reference_decode(payload: bytes) -> bytes:
    context = reference("r")
    packets = [av.Packet(payload[at : at + 160]) for at in range(0, len(payload), 160)]
    return b"".join(frame.to_ndarray().tobytes() for packet in packets for frame in context.decode(packet))


@pytest.mark.parametrize("name", signals())
def test_encoding(name: str) -> None:
    pcm, coded = signals()[name], b""
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(PARAMS, 0)
    for number, part in enumerate(pcm.reshape(-1, FRAME)):
        core.send(part.tobytes())
        packet = core.tick(0).packet
        assert packet is not None
        assert struct.unpack_from("!I", packet, 4) == (160 * number,)
        coded += packet[12:]
    assert coded == reference_encode(pcm)


@pytest.mark.parametrize("name", [*signals(), "anything"])
def test_decoding(name: str) -> None:
    anything = np.random.default_rng(2).bytes(SECONDS * 8000)
    coded = anything if name == "anything" else reference_encode(signals()[name])
    core, heard = native.Core(1, 0, 0, bytes(16)), b""
    core.connect(PARAMS, 0)
    for number in range(SECONDS * 50 + 2):
        part = coded[160 * number : 160 * (number + 1)]
        if part:
            header = struct.pack("!BBHII", 0x80, 9, number, 160 * number, 7)
            core.receive(header + part, PEER, 20_000 * number)
        heard += core.tick(20_000 * number).uplink
    first = 2 * FRAME * 2  # two frames fill the jitter buffer
    assert heard[first:] == reference_decode(coded)
    assert core.stats().jitter_us == 0


@pytest.mark.parametrize("wrong", [PARAMS._replace(rate_hz=8000), PARAMS._replace(clock_hz=16_000)])
def test_only_one_rate_and_clock(wrong: native.Params) -> None:
    with pytest.raises(native.MediaError):
        native.Core(1, 0, 0, bytes(16)).connect(wrong, 0)
