"""The summary of a call's quality."""

from __future__ import annotations

from actors import MediaStats
from clutch.node.quality import summarise


def test_of_a_call_without_reports() -> None:
    found = summarise(MediaStats(packets_sent=100, packets_received=98, lost=2, jitter_us=1540), "pcmu")
    assert found["loss_percent"] == 2
    assert found["jitter_ms"] == 1.5
    assert 4.0 < found["mos"] < 4.3
    assert [
        found[name] for name in ("round_trip_ms", "remote_loss_percent", "remote_jitter_ms", "remote_mos")
    ] == [None] * 4


def test_of_a_call_with_reports() -> None:
    stats = MediaStats(
        packets_received=100,
        remote_expected=100,
        remote_lost=10,
        remote_jitter_us=2000,
        round_trips=1,
        round_trip_us=40_000,
    )
    found = summarise(stats, "opus")
    assert (found["remote_loss_percent"], found["remote_jitter_ms"], found["round_trip_ms"]) == (10, 2, 40)
    assert 3 < found["remote_mos"] < found["mos"] < 4.41


def test_what_came_too_late_is_lost_to_the_ear() -> None:
    calm, late = MediaStats(packets_received=100), MediaStats(packets_received=100, late=5, discarded=5)
    assert summarise(late, "pcmu")["loss_percent"] == 0
    assert summarise(late, "pcmu")["mos"] < summarise(calm, "pcmu")["mos"] - 0.5


def test_of_a_call_that_nothing_was_heard_of() -> None:
    assert summarise(MediaStats(), "pcmu")["mos"] is None
