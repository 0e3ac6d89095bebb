"""What the contract suite does not see of the Python media core."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.media.counters import Counters
from clutch.media.errors import UnsupportedCodec
from clutch.media.g711 import decode_ulaw
from clutch.media.jitter import WINDOW, JitterBuffer
from clutch.media.params import Codec, RtpParams
from clutch.media.payload import decode_l16, encode_l16
from clutch.media.stream import TwinStream

PCMU = RtpParams(("192.0.2.1", 4000), Codec("pcmu", 0, 8000, 8000))
OPUS = RtpParams(("192.0.2.1", 4000), Codec("opus", 96, 48_000, 48_000))


def test_a_codec_that_python_cannot_code_is_refused_and_changes_nothing() -> None:
    stream = TwinStream.open(1, 2, 3, bytes(16))
    with pytest.raises(UnsupportedCodec, match="opus"):
        stream.connect(OPUS, 0)
    assert stream.rate_hz == 0
    stream.connect(PCMU, 0)
    with pytest.raises(UnsupportedCodec) as caught:
        stream.connect(OPUS, 0)
    assert caught.value.name == "opus"
    assert stream.rate_hz == 8000


def test_events_are_taken_once() -> None:
    stream = TwinStream.open(1, 2, 3, bytes(16))
    assert stream.take_events() == []
    stream.connect(PCMU, 0)
    stream.tick(PCMU.timeout_ms * 1000)
    assert len(stream.take_events()) == 1
    assert stream.take_events() == []


def test_l16_is_in_network_order() -> None:
    samples = np.array([1, -2, 0x1234], np.int16)
    assert encode_l16(samples) == b"\0\x01\xff\xfe\x12\x34"
    np.testing.assert_array_equal(decode_l16(encode_l16(samples)), samples)
    with pytest.raises(ValueError, match="buffer size"):
        decode_l16(b"\0\x01\xff")


STEPS = st.lists(st.tuples(st.integers(-70, 70), st.integers(1, 300)) | st.none(), max_size=200)


@given(st.integers(0, 0xFFFF), STEPS)
def test_the_jitter_buffer_loses_no_packet_unaccounted(
    first: int, steps: list[tuple[int, int] | None]
) -> None:
    """Packets of any distance and length (a pair) and ticks (None): frames are whole, counts add up."""
    counters = Counters()
    buffer = JitterBuffer(decode_ulaw, 160, 160, counters, first)
    taken, now_us, newest = 0, 0, first
    for step in steps:
        if step is None:
            now_us += 20_000
            samples, _ = buffer.tick(now_us)
            assert samples.shape == (160,)
            assert samples.dtype == np.int16
            newest = (newest + 1) % 0x10000
        else:
            sequence = (newest + step[0]) % 0x10000
            if not buffer.jumps_to(sequence):
                buffer.insert(sequence, 160 * sequence, bytes(step[1]), now_us)
                taken += 1
        assert buffer.waiting <= WINDOW
        gone = counters.played + counters.late + counters.duplicate + counters.discarded
        assert taken == gone + buffer.waiting
