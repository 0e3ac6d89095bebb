"""What becomes of Opus with a peer."""

from __future__ import annotations

import pytest

from clutch.legs.opus import OpusTerms
from clutch.media.params import OpusOptions
from clutch.wire.sdp.codecs import OPUS


def test_usually_opus_is_offered_as_it_is() -> None:
    assert OpusTerms().offer().fmtp == OPUS.fmtp
    assert OpusTerms().offer().rate_hz == 48_000


def test_wishes_are_stated() -> None:
    offer = OpusTerms(rate_hz=16_000, dtx=True).offer()
    assert (offer.rate_hz, offer.clock_hz) == (16_000, 48_000)
    assert offer.fmtp.split(";")[3:] == ["usedtx=1", "maxplaybackrate=16000", "sprop-maxcapturerate=16000"]


@pytest.mark.parametrize(
    ("theirs", "options"),
    [
        ({}, OpusOptions(32_000, 5, 10, 48_000, fec=False)),
        ({"useinbandfec": "1"}, OpusOptions(32_000, 5, 10, 48_000, fec=True)),
        ({"useinbandfec": "0", "stereo": "1"}, OpusOptions(32_000, 5, 10, 48_000, fec=False)),
        ({"maxaveragebitrate": "20000"}, OpusOptions(20_000, 5, 10, 48_000)),
        ({"maxaveragebitrate": "64000"}, OpusOptions(32_000, 5, 10, 48_000)),
        ({"maxaveragebitrate": "1"}, OpusOptions(6000, 5, 10, 48_000)),
        ({"maxaveragebitrate": "-1", "maxplaybackrate": "x"}, OpusOptions(32_000, 5, 10, 48_000)),
        ({"maxaveragebitrate": "9" * 40}, OpusOptions(32_000, 5, 10, 48_000)),
        ({"maxplaybackrate": "8000"}, OpusOptions(32_000, 5, 10, 8000)),
        ({"maxplaybackrate": "96000"}, OpusOptions(32_000, 5, 10, 48_000)),
    ],
)
def test_the_peer_may_ask_for_less(theirs: dict[str, str], options: OpusOptions) -> None:
    assert OpusTerms().options(theirs) == options


def test_dtx_takes_two() -> None:
    assert OpusTerms(dtx=True).sends_dtx({"usedtx": "1"})
    assert not OpusTerms(dtx=True).sends_dtx({})
    assert not OpusTerms().sends_dtx({"usedtx": "1"})
    assert not OpusTerms(fec=False).options({"useinbandfec": "1"}).fec
