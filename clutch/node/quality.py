"""What a call's media was like, in the words of logs and of `clutch call`."""

from __future__ import annotations

from typing import Any

from actors import MediaStats
from clutch.media.quality import mos, one_way_ms


def summarise(stats: MediaStats, codec: str) -> dict[str, Any]:
    """Loss, jitter and mean opinion score of both directions, and the round trip.

    Without a prefix it is what we hear, ``remote`` what the peer hears of us: None if it sent no report.
    What came too late to be played counts as lost in our score; the peer's score knows only its network.
    """
    delay_ms = one_way_ms(stats.round_trip_ms)
    expected = stats.lost + stats.packets_received
    unplayed = stats.lost + stats.late + stats.discarded
    remote = stats.remote_loss_percent
    heard = mos(codec, min(100.0, 100 * unplayed / expected), delay_ms) if expected else None
    said = mos(codec, remote, delay_ms) if remote is not None else None
    return {
        "loss_percent": round(stats.loss_percent, 2),
        "jitter_ms": round(stats.jitter_ms, 1),
        "mos": _rounded(heard, 2),
        "round_trip_ms": _rounded(stats.round_trip_ms, 1),
        "remote_loss_percent": _rounded(remote, 2),
        "remote_jitter_ms": None if remote is None else round(stats.remote_jitter_us / 1000, 1),
        "remote_mos": _rounded(said, 2),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
