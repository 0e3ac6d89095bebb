"""Opus in the C core: what is lost comes back, what is silent costs nothing."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from numpy.typing import NDArray

import native

pytestmark = [
    pytest.mark.usefixtures("native_library"),
    pytest.mark.skipif("opus" not in native.features(), reason="built without Opus"),
]

PEER = ("192.0.2.1", 4000)
OPUS = native.Params(PEER, "opus", 48_000, 111, clock_hz=48_000)
FEC = OPUS._replace(opus=native.OpusOptions(fec=True, loss_percent=20))
SILENCE = b"\xf8\xff\xfe"
FRAMES = 100


def opened(params: native.Params = OPUS) -> native.Core:
    """A stream that is connected."""
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(params, 0)
    return core


def voice(count: int, rate_hz: int = 48_000) -> NDArray[np.int16]:
    """Frames of something like speech: a voiced sound whose pitch and loudness move."""
    time_s = np.arange(count * rate_hz // 50) / rate_hz
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.5 * time_s)) / rate_hz
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    loudness = 3000 * (1.2 + np.sin(2 * np.pi * 3 * time_s))
    return (buzz * loudness).astype(np.int16).reshape(count, -1)


def packets(core: native.Core, frames: NDArray[np.int16]) -> list[bytes | None]:
    """What a stream sends while these frames are said."""
    sent = []
    for number, frame in enumerate(frames):
        core.send(frame.tobytes())
        sent.append(core.tick(20_000 * number).packet)
    return sent


def heard(sent: list[bytes | None], lost: set[int]) -> tuple[NDArray[np.int16], native.Stats]:
    """What another stream plays of it, packet k arriving right after tick k."""
    core, uplink = opened(), b""
    for number, packet in enumerate([*sent, None, None]):
        uplink += core.tick(20_000 * number).uplink
        if packet is not None and number not in lost:
            core.receive(packet, PEER, 20_000 * number)
    return np.frombuffer(uplink, np.int16), core.stats()


def distance(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    """Energy of the difference against that of the sound."""
    difference = a.astype(float) - b.astype(float)
    return float(np.sum(difference**2) / np.sum(a.astype(float) ** 2))


LOST = set(range(20, FRAMES - 5, 10))


def test_a_lost_packet_is_recovered_from_the_next() -> None:
    sent = packets(opened(FEC), voice(FRAMES))
    whole, _ = heard(sent, set())
    with_loss, stats = heard(sent, LOST)
    # The encoder repeats only what it takes for speech.
    assert stats.recovered >= len(LOST) / 2
    assert (stats.recovered + stats.concealed, stats.lost) == (len(LOST), len(LOST))
    plain = packets(opened(), voice(FRAMES))
    plain_whole, _ = heard(plain, set())
    plain_loss, stats = heard(plain, LOST)
    assert (stats.recovered, stats.concealed) == (0, len(LOST))
    assert distance(whole, with_loss) < distance(plain_whole, plain_loss) / 2


def test_of_two_lost_in_a_row_the_second_is_recovered() -> None:
    sent = packets(opened(FEC), voice(FRAMES))
    _, stats = heard(sent, LOST | {number + 1 for number in LOST})
    assert len(LOST) / 2 <= stats.recovered <= len(LOST)
    assert stats.concealed >= 2 * len(LOST) - stats.recovered


def test_any_packet_may_follow_a_loss() -> None:
    chance = np.random.default_rng(3)
    sent = packets(opened(FEC), voice(FRAMES))
    core = opened()
    for number, packet in enumerate(sent):
        core.tick(20_000 * number)
        assert packet is not None
        if number % 3 == 1:
            size = int(chance.integers(1, 30))
            core.receive(packet[:12] + chance.bytes(size), PEER, 20_000 * number)
        elif number % 3 == 2:
            core.receive(packet, PEER, 20_000 * number)
    stats = core.stats()
    assert stats.played > FRAMES / 3
    assert stats.recovered + stats.concealed > FRAMES / 4


def test_whoever_says_nothing_sends_silence_and_wakes_with_the_first_word() -> None:
    core = opened()
    quiet = np.zeros((60, 960), np.int16)
    assert {packet[12:] for packet in packets(core, quiet[:5]) if packet} == {SILENCE}
    sent = packets(core, np.concatenate((voice(20), quiet, voice(20))))
    assert all(sent)
    asleep = [number for number, packet in enumerate(sent) if packet and packet[12:] == SILENCE]
    assert asleep == list(range(20 + 25, 80))
    uplink, stats = heard(sent, set())
    assert (stats.concealed, stats.malformed) == (0, 0)
    frames = uplink.reshape(-1, 960).astype(float)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    delay = 2
    assert levels[50 + delay : 80 + delay].max() < 1
    # As loud and as like after the sleep as before it.
    first, second = levels[5 + delay : 20 + delay], levels[85 + delay : 100 + delay]
    np.testing.assert_allclose(first, second, rtol=0.3)


def test_silence_need_not_be_sent() -> None:
    core = opened(OPUS._replace(dtx=True))
    sent = packets(core, np.concatenate((voice(20), np.zeros((130, 960), np.int16), voice(5))))
    quiet = [packet for packet in sent[45:150] if packet]
    assert len(quiet) == 6  # one in 400 ms
    assert {packet[12:] for packet in quiet} == {SILENCE}
    assert all(sent[:20])
    assert all(sent[150:])
    marked = [number for number, packet in enumerate(sent) if packet and packet[1] & 0x80]
    assert {0, 150} <= set(marked)
    timestamps = [int.from_bytes(packet[4:8], "big") for packet in sent[:20] + sent[150:] if packet]
    assert timestamps == [960 * number for number in [*range(20), *range(150, 155)]]


def test_options_hold_from_the_next_packet_on() -> None:
    core = opened()
    before = packets(core, voice(50))
    core.connect(OPUS._replace(opus=native.OpusOptions(bitrate=12_000, playback_hz=8000)), 0)
    after = packets(core, voice(50))
    assert sum(map(len, filter(None, after[5:]))) < 0.6 * sum(map(len, filter(None, before[5:])))
    sequences = [int.from_bytes(packet[2:4], "big") for packet in before + after if packet]
    assert sequences == list(range(100))


@pytest.mark.parametrize(
    "options",
    [
        native.OpusOptions(bitrate=5999),
        native.OpusOptions(bitrate=510_001),
        native.OpusOptions(complexity=11),
        native.OpusOptions(complexity=-1),
        native.OpusOptions(loss_percent=101),
        native.OpusOptions(loss_percent=-1),
        native.OpusOptions(playback_hz=-1),
    ],
)
def test_options_that_there_are_not(options: native.OpusOptions) -> None:
    with pytest.raises(native.MediaError) as caught:
        opened(OPUS._replace(opus=options))
    assert caught.value.errno == errno.EINVAL
