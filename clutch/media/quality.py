"""How a direction of a call sounds, from what is counted: the E-model of ITU-T G.107, simplified.

With every parameter of the terminals at the default of G.107, the transmission rating is

    R = 93.2 - Id - Ie,eff

Id is the impairment by the one-way delay d in ms, in the approximation of Cole and Rosenbluth ("Voice over IP
performance monitoring", Computer Communication Review 31/2, 2001):

    Id = 0.024 d + 0.11 max(0, d - 177.3)

Ie,eff is the impairment by the codec and by lost packets (G.107 section 7.5), with losses Ppl in percent that
are as random as they come (burst ratio 1):

    Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl)

and G.107 Annex B maps the rating to a mean opinion score from 1 to 4.5:

    MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6

It is the scale of narrow-band telephony: a wide-band codec is not rewarded.
"""

from __future__ import annotations

from collections.abc import Mapping

PACKET_MS = 20.0
"""Every packet waits for its last sample."""
PLAYOUT_MS = 60.0
"""What a jitter buffer adds, if nobody measured it: three frames."""

_G711_WITH_PLC = (0.0, 25.1)
IMPAIRMENT: Mapping[str, tuple[float, float]] = {
    "pcmu": _G711_WITH_PLC,
    "pcma": _G711_WITH_PLC,
    "l16": _G711_WITH_PLC,
    "g722": _G711_WITH_PLC,
    "opus": _G711_WITH_PLC,
}
"""Ie and Bpl by codec: G.711 with concealment from G.113 Appendix I. For L16, G.722 and Opus ITU-T has
no values on this scale; they sound and conceal at least as well, so this is a lower bound."""


def mos(codec: str, loss_percent: float, one_way_ms: float) -> float:
    """Mean opinion score of one direction, 1 (bad) to 4.41 (G.711 without loss or delay)."""
    impairment, robustness = IMPAIRMENT[codec]
    delay = 0.024 * one_way_ms + 0.11 * max(0.0, one_way_ms - 177.3)
    loss = impairment + (95 - impairment) * loss_percent / (loss_percent + robustness)
    rating = max(0.0, 93.2 - delay - loss)
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def one_way_ms(round_trip_ms: float | None) -> float:
    """From mouth to ear: half of the network's round trip (0 if unknown), packet and jitter buffer."""
    return (round_trip_ms or 0.0) / 2 + PACKET_MS + PLAYOUT_MS
