"""Congestion control for media: a model of the path instead of an alarm at every loss.

Loss-based control halves its window at each lost packet. On a radio link that loses one packet in a hundred,
40 calls that share a connection then wait for one another, and QUIC is worse than TCP. So this one, of the
family of BBR (draft-ietf-ccwg-bbr), measures what the path delivers and how long it takes when it is idle,
and keeps about as much on the way as fits. Loss counts only where it is so heavy that it must be a queue.

It is simpler than BBR: one rate sample a round trip, no probing phases, and the pacing is aioquic's (a window
each round trip). Voice seldom fills a path; what does are bursts: a joining subscriber, a video's keyframe.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from aioquic.quic.congestion.base import QuicCongestionControl, register_congestion_control
from aioquic.quic.packet_builder import QuicSentPacket

NAME = "media"
"""What it is called in an aioquic configuration."""

FLOOR_DATAGRAMS = 32
"""The window is never smaller: it holds 300 voice packets."""
STARTUP_GAIN = 2.0
CRUISE_GAIN = 1.5
"""Of the path's own content; what is above 1 stands in its queue, or finds more room."""
GROWTH = 1.25
"""Startup goes on while the rate grows by this much..."""
PATIENCE = 3
"""...and ends after so many round trips without."""
HEAVY_LOSS = 0.15
"""The part of a round trip's packets that must be lost for it to be a sign of congestion."""
ROUNDS = 10
"""For how many round trips the best rate holds, and heavy loss is remembered."""
IDLE_RTT_S = 10.0
"""For how long the shortest round trip holds; the path may have changed."""


class MediaCongestionControl(QuicCongestionControl):
    """See above. All in bytes and seconds; aioquic calls it."""

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._floor = FLOOR_DATAGRAMS * max_datagram_size
        self.congestion_window = self._floor
        self._rates: deque[float] = deque([0.0], maxlen=ROUNDS)
        self._rtt_s = math.inf
        self._rtt_at = 0.0
        self._restart(0.0)

    def _restart(self, now: float) -> None:
        self._starting = True
        self._careful = 0
        self._best = 0.0
        self._without_growth = 0
        self._begin_round(now)

    def _begin_round(self, now: float) -> None:
        self._round_at = now
        self._delivered = self._lost = self._peak = 0

    def on_packet_sent(self, *, packet: QuicSentPacket) -> None:
        """A packet is on its way."""
        self.bytes_in_flight += packet.sent_bytes
        self._peak = max(self._peak, self.bytes_in_flight)

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        """It has arrived. The first one of those sent in this round ends the round."""
        self.bytes_in_flight -= packet.sent_bytes
        self._delivered += packet.sent_bytes
        sent = packet.sent_time
        if sent is not None and sent >= self._round_at and now > self._round_at:
            self._end_round(now)

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        """They have not arrived, and will not."""
        for packet in packets:
            self.bytes_in_flight -= packet.sent_bytes
            self._lost += packet.sent_bytes

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        """Nobody will tell what became of them."""
        for packet in packets:
            self.bytes_in_flight -= packet.sent_bytes

    def on_persistent_congestion(self) -> None:
        """Nothing arrived for a long time: begin again."""
        self.congestion_window = self._floor
        self._rates = deque([0.0], maxlen=ROUNDS)
        self._restart(self._round_at)

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        """A round trip was measured."""
        if rtt <= self._rtt_s or now - self._rtt_at > IDLE_RTT_S:
            self._rtt_s, self._rtt_at = rtt, now

    def _end_round(self, now: float) -> None:
        rate = self._delivered / (now - self._round_at)
        filled = self._peak >= 0.75 * self.congestion_window
        if self._lost > HEAVY_LOSS * (self._lost + self._delivered) and filled:
            self._starting, self._careful = False, ROUNDS
            self._rates.clear()  # what was measured before does not hold any more
            self._rates.append(rate)
        elif filled or rate > max(self._rates):
            self._rates.append(rate)  # a round that the application did not fill says nothing against it
        best = max(self._rates)
        if self._starting and filled:
            self._judge(best)
        if self._rtt_s < math.inf:
            self._set_window(int(best * self._rtt_s))
        self._begin_round(now)

    def _set_window(self, content: int) -> None:
        """`content` is what the path holds when its queue is empty."""
        if self._careful:
            self._careful -= 1
            self.congestion_window = max(self._floor, content)
        else:
            gain = STARTUP_GAIN if self._starting else CRUISE_GAIN
            self.congestion_window = self._floor + int(gain * content)

    def _judge(self, best: float) -> None:
        """Whether startup is over: the path gives no more."""
        if best >= GROWTH * self._best:
            self._best, self._without_growth = best, 0
        else:
            self._without_growth += 1
            self._starting = self._without_growth < PATIENCE


register_congestion_control(NAME, MediaCongestionControl)
