"""The Python face of the sans-IO core. What a stream does is the contract suite's matter."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")

PEER = ("192.0.2.1", 4000)
PCMU = native.Params(PEER, "pcmu", 8000, 0, 101)


def test_before_connect_there_is_no_audio() -> None:
    core = native.Core(1, 2, 3, bytes(16))
    assert core.tick(0) == native.Tick(0, 0, b"", b"", False, None, None, None)
    assert core.send(b"1234") == 0
    assert core.stats().downlink_dropped == 2


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (PCMU._replace(codec="g729"), errno.EINVAL),
        (PCMU._replace(rate_hz=16_000), errno.EINVAL),
        (PCMU._replace(codec="l16", rate_hz=44_100), errno.EINVAL),
        (PCMU._replace(clock_hz=16_000), errno.EINVAL),
        (PCMU._replace(codec="l16", rate_hz=16_000, clock_hz=8000), errno.EINVAL),
        (PCMU._replace(event_clock_hz=-1), errno.EINVAL),
        (PCMU._replace(payload_type=128), errno.EINVAL),
        (PCMU._replace(telephone_event=-2), errno.EINVAL),
        (PCMU._replace(timeout_ms=-1), errno.EINVAL),
        (PCMU._replace(remote=("example.org", 4000)), errno.EINVAL),
        (PCMU._replace(remote=("192.0.2.1", 65_536)), errno.EINVAL),
        (PCMU._replace(rtcp=("example.org", 4001)), errno.EINVAL),
    ],
)
def test_bad_parameters_change_nothing(params: native.Params, code: int) -> None:
    core = native.Core(1, 2, 3, bytes(16))
    core.connect(PCMU, 0)
    with pytest.raises(native.MediaError) as caught:
        core.connect(params, 0)
    assert caught.value.errno == code
    assert core.tick(0).destination == PEER


def test_addresses_come_back_as_they_went_in() -> None:
    core = native.Core(1, 2, 3, bytes(16))
    for remote in [("2001:db8::7", 5004), ("203.0.113.9", 65_535)]:
        core.connect(PCMU._replace(remote=remote), 0)
        assert core.tick(0).destination == remote


def test_bad_digits_are_refused_before_any_is_taken() -> None:
    core = native.Core(1, 2, 3, bytes(16))
    with pytest.raises(ValueError, match="'x' is not a DTMF digit"):
        core.send_dtmf("12x")
    assert core.send_dtmf("1" * 70) == 64


def tone(hz: int, samples: int) -> bytes:
    """A sine at 48 kHz, half of full scale."""
    wave: bytes = (16_000 * np.sin(2 * np.pi * hz * np.arange(samples) / 48_000)).astype(np.int16).tobytes()
    return wave


@pytest.mark.skipif("opus" not in native.features(), reason="built without Opus")
def test_opus_carries_a_tone_and_conceals_a_loss() -> None:
    params = native.Params(PEER, "opus", 48_000, 111)
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(params, 0)
    pcm, heard = tone(440, 50 * 960), b""
    for number in range(50):
        core.send(pcm[1920 * number : 1920 * (number + 1)])
        tick = core.tick(20_000 * number)
        heard += tick.uplink
        assert tick.concealed == (number == 32)
        assert tick.packet is not None
        if number != 30:  # played two ticks later
            core.receive(tick.packet, PEER, 20_000 * number)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(heard, np.int16)[10 * 960 :]))
    assert np.argmax(spectrum) == 440 * 40 * 960 // 48_000
    assert core.stats() == core.stats()._replace(played=47, concealed=1, malformed=0)


@pytest.mark.skipif("opus" not in native.features(), reason="built without Opus")
@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
def test_opus_of_any_rate_has_one_clock(rate_hz: int) -> None:
    narrow, wide = native.Core(1, 0, 0, bytes(16)), native.Core(2, 0, 0, bytes(16))
    narrow.connect(native.Params(PEER, "opus", rate_hz, 111, clock_hz=48_000), 0)
    wide.connect(native.Params(PEER, "opus", 48_000, 111, clock_hz=48_000), 0)
    pcm, heard = tone(440, 50 * 960), b""
    for number in range(50):
        wide.send(pcm[1920 * number : 1920 * (number + 1)])
        sent, back = wide.tick(20_000 * number), narrow.tick(20_000 * number)
        assert sent.packet is not None
        assert back.packet is not None
        assert struct.unpack_from("!I", back.packet, 4) == (960 * number,)
        heard += back.uplink
        narrow.receive(sent.packet, PEER, 20_000 * number)
    assert len(heard) == rate_hz * 2
    spectrum = np.abs(np.fft.rfft(np.frombuffer(heard, np.int16)[rate_hz // 5 :]))
    assert np.argmax(spectrum) == 440 * 4 // 5
    stats = narrow.stats()
    assert (stats.played, stats.concealed, stats.jitter_us) == (48, 0, 0)


@pytest.mark.skipif("opus" not in native.features(), reason="built without Opus")
def test_what_opus_cannot_decode_is_concealed() -> None:
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(native.Params(PEER, "opus", 48_000, 111), 0)
    for number in range(3):
        core.receive(struct.pack("!BBHII", 0x80, 111, number, 0, 7) + b"\xff" * 3, PEER, 0)
    assert core.tick(40_000).concealed
    assert core.stats().malformed == 1


def test_a_name_of_another_length_is_refused() -> None:
    with pytest.raises(native.MediaError):
        native.Core(1, 2, 3, b"short")
