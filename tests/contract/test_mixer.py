"""Mixing: what each member hears, the same samples from both cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import attrs
import numpy as np
import pytest

import native
from clutch.media.g711 import Samples
from clutch.media.mixer import DUCK_TICKS, Member, Mixer, MixParams

SILENCE = np.zeros(160, np.int16)


class MixerUnderTest(Protocol):
    """One mixer of either core; members are numbers, in the order of joining."""

    def join(self, params: MixParams) -> None:
        """One more member."""

    def leave(self, member: int) -> None:
        """Its number is not given again."""

    def set(self, member: int, params: MixParams, ear: int | None) -> None:
        """Take part like this."""

    def tick(self, frames: dict[int, tuple[Samples, Samples]]) -> dict[int, Samples]:
        """Uplink and downlink of those who take part, and what they hear."""


@attrs.define(eq=False)
class TwinMixer:
    """See `MixerUnderTest`."""

    _mixer: Mixer = attrs.field(factory=Mixer)
    _members: list[Member] = attrs.field(factory=list)

    def join(self, params: MixParams) -> None:
        """See `MixerUnderTest`."""
        self._members.append(self._mixer.join(params))

    def leave(self, member: int) -> None:
        """See `MixerUnderTest`."""
        self._mixer.leave(self._members[member])

    def set(self, member: int, params: MixParams, ear: int | None) -> None:
        """See `MixerUnderTest`."""
        self._members[member].params = params
        self._members[member].ear = None if ear is None else self._members[ear]

    def tick(self, frames: dict[int, tuple[Samples, Samples]]) -> dict[int, Samples]:
        """See `MixerUnderTest`."""
        for number, member in enumerate(self._members):
            member.uplink = None
            if number in frames:
                member.uplink, member.downlink = frames[number]
        self._mixer.mix()
        return {number: self._members[number].downlink for number in frames}


@attrs.define(eq=False)
class NativeMixer:
    """See `MixerUnderTest`."""

    _mixer: native.Mixer = attrs.field(factory=native.Mixer)
    _members: list[native.Member] = attrs.field(factory=list)
    _left: set[int] = attrs.field(factory=set)

    def join(self, params: MixParams) -> None:
        """See `MixerUnderTest`."""
        self._members.append(self._mixer.join(native.MixParams(*attrs.astuple(params))))

    def leave(self, member: int) -> None:
        """See `MixerUnderTest`."""
        self._left.add(member)
        self._mixer.leave(self._members[member])

    def set(self, member: int, params: MixParams, ear: int | None) -> None:
        """See `MixerUnderTest`."""
        into = None if ear is None else self._members[ear]
        self._members[member].set(native.MixParams(*attrs.astuple(params)), into)

    def tick(self, frames: dict[int, tuple[Samples, Samples]]) -> dict[int, Samples]:
        """See `MixerUnderTest`."""
        nothing = SILENCE[:0], SILENCE[:0]
        for number, member in enumerate(self._members):
            if number not in self._left:
                uplink, downlink = frames.get(number, nothing)
                member.speak(uplink.tobytes(), downlink.tobytes())
        self._mixer.mix()
        return {number: np.frombuffer(self._members[number].heard(), np.int16) for number in frames}


@attrs.define(eq=False)
class BothMixers:
    """Both at once; they must agree."""

    _twin: MixerUnderTest = attrs.field(factory=TwinMixer)
    _core: MixerUnderTest = attrs.field(factory=NativeMixer)

    def join(self, params: MixParams) -> None:
        """See `MixerUnderTest`."""
        self._twin.join(params)
        self._core.join(params)

    def leave(self, member: int) -> None:
        """See `MixerUnderTest`."""
        self._twin.leave(member)
        self._core.leave(member)

    def set(self, member: int, params: MixParams, ear: int | None) -> None:
        """See `MixerUnderTest`."""
        self._twin.set(member, params, ear)
        self._core.set(member, params, ear)

    def tick(self, frames: dict[int, tuple[Samples, Samples]]) -> dict[int, Samples]:
        """See `MixerUnderTest`."""
        heard = self._twin.tick(frames)
        for number, samples in self._core.tick(frames).items():
            np.testing.assert_array_equal(samples, heard[number])
        return heard


MakeMixer: TypeAlias = Callable[..., MixerUnderTest]


@pytest.fixture(params=["twin", "both"])
def mixer_of(request: pytest.FixtureRequest) -> MakeMixer:
    """Makes a mixer with these members: of the twin alone, and of the twin beside the native core."""
    if request.param == "both":
        request.getfixturevalue("native_library")

    def make(*members: MixParams) -> MixerUnderTest:
        mixer: MixerUnderTest = TwinMixer() if request.param == "twin" else BothMixers()
        for params in members:
            mixer.join(params)
        return mixer

    return make


def noise(seed: int, rate_hz: int = 8000, level: int = 8000) -> Samples:
    """A frame that is like no other's."""
    return np.random.default_rng(seed).integers(-level, level, rate_hz // 50, np.int16)


def says(*frames: Samples) -> dict[int, tuple[Samples, Samples]]:
    """Members 0, 1, ... say this; nothing is for anybody alone."""
    return {number: (frame, np.zeros_like(frame)) for number, frame in enumerate(frames)}


PLAIN = MixParams()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
def test_of_two_each_hears_the_other_unchanged(mixer_of: MakeMixer, rate_hz: int) -> None:
    mixer = mixer_of(PLAIN, PLAIN)
    for tick in range(3):
        one, other = noise(tick, rate_hz, 32_767), noise(tick + 9, rate_hz, 32_767)
        heard = mixer.tick(says(one, other))
        np.testing.assert_array_equal(heard[0], other)
        np.testing.assert_array_equal(heard[1], one)


def test_of_many_each_hears_the_sum_of_the_others(mixer_of: MakeMixer) -> None:
    mixer = mixer_of(*[PLAIN] * 7)
    frames = [noise(seed, level=4000) for seed in range(7)]
    heard = mixer.tick(says(*frames))
    for number in range(7):
        np.testing.assert_array_equal(heard[number], sum(frames) - frames[number])


def test_who_is_alone_hears_what_is_for_it_alone(mixer_of: MakeMixer) -> None:
    announcement = noise(3)
    np.testing.assert_array_equal(mixer_of(PLAIN).tick({0: (noise(1), announcement)})[0], announcement)
    assert mixer_of(PLAIN).tick({}) == {}


def test_what_is_for_one_alone_is_added(mixer_of: MakeMixer) -> None:
    heard = mixer_of(PLAIN, PLAIN, PLAIN).tick(
        {0: (noise(1), noise(2)), 1: (noise(3), SILENCE), 2: (SILENCE, SILENCE)}
    )
    np.testing.assert_array_equal(heard[0], noise(2) + noise(3))
    np.testing.assert_array_equal(heard[1], noise(1))
    np.testing.assert_array_equal(heard[2], noise(1) + noise(3))


def test_too_loud_is_clipped(mixer_of: MakeMixer) -> None:
    loud = np.resize(np.array([30_000, -30_000], np.int16), 160)
    heard = mixer_of(PLAIN, PLAIN, PLAIN).tick(says(loud, loud, SILENCE))
    np.testing.assert_array_equal(heard[0], loud)
    np.testing.assert_array_equal(heard[2], np.resize(np.array([32_767, -32_768], np.int16), 160))


def test_a_gain_changes_within_a_frame(mixer_of: MakeMixer) -> None:
    mixer = mixer_of(MixParams(gain=0.5), PLAIN)
    level = np.full(160, 8000, np.int16)
    assert set(mixer.tick(says(level, SILENCE))[1]) == {4000}
    mixer.set(0, MixParams(gain=2.0), None)
    rising = mixer.tick(says(level, SILENCE))[1]
    assert (rising[0], rising[-1]) == (4075, 16_000)
    assert np.all(np.diff(rising) == 75)
    assert set(mixer.tick(says(level, SILENCE))[1]) == {16_000}
    mixer.set(0, MixParams(gain=2.0, muted=True), None)
    assert mixer.tick(says(level, SILENCE))[1][-1] == 0
    assert not mixer.tick(says(level, SILENCE))[1].any()


def test_who_joins_muted_is_not_heard_for_a_moment(mixer_of: MakeMixer) -> None:
    heard = mixer_of(PLAIN, MixParams(muted=True)).tick(says(noise(1), noise(2)))
    assert not heard[0].any()
    np.testing.assert_array_equal(heard[1], noise(1))


def test_a_whisper_has_one_ear(mixer_of: MakeMixer) -> None:
    mixer = mixer_of(PLAIN, PLAIN, MixParams(whispers=True))
    frames = says(noise(1), noise(2), noise(3))
    heard = mixer.tick(frames)
    np.testing.assert_array_equal(heard[0], noise(2))
    np.testing.assert_array_equal(heard[1], noise(1))
    mixer.set(2, MixParams(whispers=True), 1)
    heard = mixer.tick(frames)
    np.testing.assert_array_equal(heard[0], noise(2))
    np.testing.assert_array_equal(heard[1], noise(1) + noise(3))
    np.testing.assert_array_equal(heard[2], noise(1) + noise(2))
    mixer.set(2, PLAIN, None)
    np.testing.assert_array_equal(mixer.tick(frames)[0], noise(2) + noise(3))


def test_a_whisper_is_not_heard_by_others_when_its_ear_leaves(mixer_of: MakeMixer) -> None:
    mixer = mixer_of(PLAIN, PLAIN, MixParams(whispers=True), PLAIN)
    mixer.set(2, MixParams(whispers=True), 1)
    mixer.leave(1)
    frames = {0: (noise(1), SILENCE), 2: (noise(3), SILENCE), 3: (noise(4), SILENCE)}
    np.testing.assert_array_equal(mixer.tick(frames)[0], noise(4))
    mixer.leave(0)
    mixer.leave(3)
    assert not mixer.tick({2: (noise(3), SILENCE)})[2].any()


@pytest.mark.parametrize("how", ["announcement", "whisper"])
def test_the_others_are_ducked_until_some_time_after_the_last_word(mixer_of: MakeMixer, how: str) -> None:
    mixer = mixer_of(MixParams(duck=0.25), PLAIN, MixParams(whispers=True))
    mixer.set(2, MixParams(whispers=True), 0)
    room, words = np.full(160, 8000, np.int16), np.full(160, 400, np.int16)

    def tick(words: Samples) -> Samples:
        alone, whispered = (words, SILENCE) if how == "announcement" else (SILENCE, words)
        heard = mixer.tick({0: (SILENCE, alone), 1: (room, SILENCE), 2: (whispered, SILENCE)})
        np.testing.assert_array_equal(heard[2], room)
        return heard[0] - words

    assert set(tick(SILENCE)) == {8000}
    falling = tick(words)
    assert falling[-1] == 2000
    assert np.all(np.diff(falling) < 0)
    hiss = np.full(160, 100, np.int16)
    for _ in range(DUCK_TICKS - 1):
        assert set(tick(hiss)) == {2000}
    rising = tick(hiss)
    assert rising[-1] == 8000
    assert np.all(np.diff(rising) > 0)
    assert set(tick(SILENCE)) == {8000}


def level_at(samples: Samples, rate_hz: int, tone_hz: int) -> float:
    """Amplitude of a tone."""
    turning = np.exp(2j * np.pi * tone_hz * np.arange(len(samples)) / rate_hz)
    return float(2 * np.abs(np.mean(samples * turning)))


def test_members_of_different_rates_hear_one_another(mixer_of: MakeMixer) -> None:
    rates_hz, tones_hz = (8000, 16_000, 24_000, 48_000), (500, 1000, 1500, 2000)
    mixer = mixer_of(*[PLAIN] * 4)
    heard: list[list[Samples]] = [[] for _ in rates_hz]
    for tick in range(15):
        times_s = [(np.arange(rate_hz // 50) + tick * rate_hz // 50) / rate_hz for rate_hz in rates_hz]
        waves = [5000 * np.sin(2 * np.pi * tone * t) for t, tone in zip(times_s, tones_hz, strict=True)]
        for number, samples in mixer.tick(says(*[wave.astype(np.int16) for wave in waves])).items():
            heard[number].append(samples)
    for number, rate_hz in enumerate(rates_hz):
        samples = np.hstack(heard[number][5:])
        levels = [level_at(samples, rate_hz, tone_hz) for tone_hz in tones_hz]
        assert levels.pop(number) < 2
        assert levels == pytest.approx([5000] * 3, rel=0.002)


def test_rates_that_come_and_go(mixer_of: MakeMixer) -> None:
    mixer = mixer_of(PLAIN, PLAIN, PLAIN)
    for tick, rates_hz in enumerate([(8000, 8000), (8000, 16_000), (16_000, 16_000), (48_000, 8000, 24_000)]):
        for again in range(3):
            frames = says(*[noise(9 * tick + again, rate_hz, 32_767) for rate_hz in rates_hz])
            heard = mixer.tick(frames)
            assert [len(samples) for samples in heard.values()] == [rate_hz // 50 for rate_hz in rates_hz]


def test_anything_at_all_is_the_same_in_both(mixer_of: MakeMixer) -> None:
    random = np.random.default_rng(11)
    mixer = mixer_of(PLAIN)
    members = [0]
    for joined in range(1, 40):
        mixer.join(MixParams(gain=float(random.random() * 4)))
        members.append(joined)
        if random.random() < 0.8 and len(members) > 2:
            mixer.leave(members.pop(int(random.integers(len(members)))))
        for member in members:
            if random.random() < 0.3:
                gain, duck, muted, whispers = (float(number) for number in random.random(4))
                params = MixParams(3 * gain, duck, muted < 0.3, whispers < 0.3)
                mixer.set(member, params, int(random.choice(members)))
        frames = {}
        for member in members:
            if random.random() < 0.9:
                rate_hz = int(random.choice([8000, 16_000, 48_000], p=[0.8, 0.1, 0.1]))
                level = int(random.choice([100, 1000, 32_767]))
                seeds = random.integers(1 << 30, size=2)
                frames[member] = noise(int(seeds[0]), rate_hz, level), noise(int(seeds[1]), rate_hz, level)
        mixer.tick(frames)
