"""The counters and gauges of one media stream, kept where things happen."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class Counters:
    """Counts since the stream was opened; the names and meanings of `actors.call.MediaStats`."""

    packets_sent: int = 0
    packets_received: int = 0
    played: int = 0
    late: int = 0
    duplicate: int = 0
    discarded: int = 0
    concealed: int = 0
    malformed: int = 0
    wrong_payload: int = 0
    wrong_source: int = 0
    ssrc_changes: int = 0
    downlink_dropped: int = 0
    lost: int = 0
    jitter_us: int = 0
    reports_sent: int = 0
    reports_received: int = 0
    reports_malformed: int = 0
    reports_wrong_source: int = 0
    remote_expected: int = 0
    remote_lost: int = 0
    remote_jitter_us: int = 0
    round_trips: int = 0
    round_trip_us: int = 0
    srtp_forged: int = 0
    srtp_replayed: int = 0
    relayed: int = 0
    recovered: int = 0
