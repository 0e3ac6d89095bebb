"""The E-model, against the figures of its recommendation."""

from __future__ import annotations

import pytest

from clutch.media.quality import IMPAIRMENT, mos, one_way_ms


def test_the_best_call_of_narrow_band_telephony() -> None:
    assert mos("pcmu", 0, 0) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("loss_percent", "delay_ms", "expected"),
    [
        (0, 150, 4.34),  # Id 3.6, R 89.6
        (1, 0, 4.33),  # Ie,eff 95/26.1 = 3.64, R 89.6
        (5, 0, 3.93),  # Ie,eff 475/30.1 = 15.8, R 77.4
        (0, 400, 3.05),  # Id 9.6 + 24.5, R 59.1
        (20, 400, 1.17),  # Id 34.1, Ie,eff 42.1, R 17.0
    ],
)
def test_loss_and_delay_cost(loss_percent: float, delay_ms: float, expected: float) -> None:
    assert mos("pcma", loss_percent, delay_ms) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("codec", IMPAIRMENT)
def test_it_stays_within_the_scale_and_falls(codec: str) -> None:
    by_loss = [mos(codec, loss, 60) for loss in range(0, 101, 5)]
    by_delay = [mos(codec, 1, delay) for delay in range(0, 2000, 50)]
    for scores in (by_loss, by_delay):
        assert scores == sorted(scores, reverse=True)
        assert 1 <= scores[-1] <= scores[0] <= 4.5
    assert mos(codec, 100, 2000) == 1


def test_from_mouth_to_ear() -> None:
    assert one_way_ms(None) == 80
    assert one_way_ms(100) == 130
