from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.voice import (
    DEFAULT_FORM,
    FORMS,
    Codec,
    VoiceForm,
    call_namespace,
)

NAMES = [
    (DEFAULT_FORM, b"audio", "voice/opus"),
    (VoiceForm(Codec.OPUS, ptime_ms=60), b"audio", "voice/opus;ptime=60"),
    (VoiceForm(Codec.PCM16), b"audio.pcm16", "voice/pcm16"),
    (VoiceForm(Codec.PCM16, 16_000), b"audio.pcm16.16000", "voice/pcm16;rate=16000"),
    (
        VoiceForm(Codec.PCM16, 24_000, 2, 10),
        b"audio.pcm16.24000",
        "voice/pcm16;rate=24000;channels=2;ptime=10",
    ),
    (VoiceForm(Codec.G711_ULAW), b"audio.g711_ulaw", "voice/g711_ulaw"),
    (VoiceForm(Codec.G711_ALAW, ptime_ms=30), b"audio.g711_alaw", "voice/g711_alaw;ptime=30"),
]


@pytest.mark.parametrize(("form", "track", "capability"), NAMES)
def test_a_form_has_one_name(form: VoiceForm, track: bytes, capability: str) -> None:
    assert form.track == track
    assert form.capability == capability
    assert VoiceForm.of_capability(capability) == form


@pytest.mark.parametrize("form", FORMS)
def test_a_name_stands_for_one_form(form: VoiceForm) -> None:
    assert VoiceForm.of_track(form.track) == form


@pytest.mark.parametrize(
    "name",
    [b"", b"video", b"catalog", b"audio.", b"audio.opus", b"audio.opus.16000", b"audio.pcm16.44100",
     b"audio.pcm16.016000", b"audio.pcm16.1_6000", b"audio.pcm16.16000.1", b"audio.g711_ulaw.16000",
     b"audio.mp3", b"audio.\xff"],
)  # fmt: skip
def test_other_names_stand_for_nothing(name: bytes) -> None:
    with pytest.raises(ValueError, match="names no form"):
        VoiceForm.of_track(name)


@given(st.binary(max_size=24).map(lambda tail: b"audio" + tail))
def test_a_name_is_read_as_it_would_be_written(name: bytes) -> None:
    try:
        form = VoiceForm.of_track(name)
    except ValueError:
        return
    assert form.track == name


@pytest.mark.parametrize(
    "capability",
    ["", "voice", "video/opus", "voice/mp3", "voice/pcm16;rate=44100", "voice/pcm16;rate=",
     "voice/g711_ulaw;rate=16000", "voice/opus;channels=3", "voice/opus;ptime=0", "voice/opus;ptime=121"],
)  # fmt: skip
def test_a_capability_that_cannot_be_is_refused(capability: str) -> None:
    with pytest.raises(ValueError, match="is no capability"):
        VoiceForm.of_capability(capability)


def test_a_capability_may_say_defaults_and_more() -> None:
    spelled_out = "voice/pcm16;rate=16000; channels=1;ptime=20;lang=de"
    assert VoiceForm.of_capability(spelled_out) == VoiceForm(Codec.PCM16, 16_000)


def test_a_call_has_two_namespaces() -> None:
    assert call_namespace("ab12", "uplink") == (b"voice", b"ab12", b"uplink")
    assert call_namespace("ab12", "downlink") == (b"voice", b"ab12", b"downlink")
