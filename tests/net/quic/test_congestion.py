"""The congestion control for media, on a path of which everything is known."""

from __future__ import annotations

import heapq
import random
from collections import deque

import attrs
import pytest
from aioquic.quic.congestion.base import QuicCongestionControl, create_congestion_control
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

from clutch.net.quic.congestion import FLOOR_DATAGRAMS, NAME, MediaCongestionControl

SIZE = 1200
RTT_S = 0.05


def make() -> QuicCongestionControl:
    return create_congestion_control(NAME, max_datagram_size=SIZE)


def packet(number: int, now: float, size: int = SIZE) -> QuicSentPacket:
    made = QuicSentPacket(
        epoch=Epoch.ONE_RTT,
        in_flight=True,
        is_ack_eliciting=True,
        is_crypto_packet=False,
        packet_number=number,
        packet_type=QuicPacketType.ONE_RTT,
    )
    made.sent_time, made.sent_bytes = now, size
    return made


def age(sent: QuicSentPacket, now: float) -> float:
    assert sent.sent_time is not None
    return now - sent.sent_time


@attrs.define(eq=False)
class Path:
    """A bottleneck of so many packets a second, a queue before it, and then half a round trip each way."""

    control: QuicCongestionControl
    packets_s: float
    queue_limit: int = 10_000
    loss: float = 0.0
    seed: int = 1
    delivered: int = 0
    lost: int = 0
    longest_queue: int = 0
    _events: list[tuple[float, int, QuicSentPacket, bool]] = attrs.field(factory=list)
    _free_at: float = 0.0
    _waiting: deque[float] = attrs.field(factory=deque)

    def run(self, seconds: float) -> None:
        """Send as much as the control allows, for so long."""
        dice = random.Random(self.seed)
        now, number = 0.0, 0
        while now < seconds:
            while self.control.bytes_in_flight < self.control.congestion_window:
                sent = packet(number, now)
                number += 1
                self.control.on_packet_sent(packet=sent)
                self._send(sent, now, dice)
            now, _, done, arrived = heapq.heappop(self._events)
            self._tell(now, done, arrived=arrived)

    def _send(self, sent: QuicSentPacket, now: float, dice: random.Random) -> None:
        while self._waiting and self._waiting[0] <= now:
            self._waiting.popleft()
        arrived = len(self._waiting) < self.queue_limit and dice.random() >= self.loss
        if arrived:
            self._free_at = max(now, self._free_at) + 1 / self.packets_s
            self._waiting.append(self._free_at)
            self.longest_queue = max(self.longest_queue, len(self._waiting))
        at = (self._free_at if arrived else max(now, self._free_at)) + RTT_S
        heapq.heappush(self._events, (at, sent.packet_number, sent, arrived))

    def _tell(self, now: float, done: QuicSentPacket, *, arrived: bool) -> None:
        if arrived:
            self.delivered += 1
            self.control.on_packet_acked(now=now, packet=done)
            self.control.on_rtt_measurement(now=now, rtt=age(done, now))
        else:
            self.lost += 1
            self.control.on_packets_lost(now=now, packets=[done])


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("packets_s", [1_000, 10_000])
def test_fills_a_path_that_loses_packets(packets_s: int, loss: float) -> None:
    path = Path(make(), packets_s, loss=loss)
    path.run(10)
    assert path.delivered > 0.9 * 10 * packets_s
    assert path.longest_queue < packets_s * RTT_S * 1.6 + 2 * FLOOR_DATAGRAMS


def test_the_usual_control_does_not() -> None:
    path = Path(create_congestion_control("cubic", max_datagram_size=SIZE), 10_000, loss=0.01)
    path.run(10)
    assert path.delivered < 0.3 * 10 * 10_000


def test_yields_where_loss_is_a_full_queue() -> None:
    path = Path(make(), 1_000, queue_limit=20)
    path.run(20)
    assert path.delivered > 0.9 * 20 * 1_000
    assert path.lost < 0.25 * path.delivered


def test_follows_a_path_that_becomes_narrow() -> None:
    path = Path(make(), 10_000)
    path.run(5)
    wide = path.control.congestion_window
    path.packets_s, path.queue_limit = 500, 50
    path.run(15)
    assert path.control.congestion_window < wide / 4


def test_a_trickle_keeps_its_room_at_any_loss() -> None:
    """40 calls of 50 packets a second each way are 100 small packets in flight."""
    control, dice = make(), random.Random(3)
    flying: deque[QuicSentPacket] = deque()
    for tick in range(20_000):
        now = tick / 2000
        while flying and age(flying[0], now) >= RTT_S:
            done = flying.popleft()
            if dice.random() < 0.1:
                control.on_packets_lost(now=now, packets=[done])
            else:
                control.on_packet_acked(now=now, packet=done)
                control.on_rtt_measurement(now=now, rtt=RTT_S)
        assert control.bytes_in_flight + 130 <= control.congestion_window
        flying.append(packet(tick, now, 130))
        control.on_packet_sent(packet=flying[-1])


def test_what_expired_is_not_in_flight() -> None:
    control = make()
    sent = [packet(number, 0.0) for number in range(3)]
    for each in sent:
        control.on_packet_sent(packet=each)
    control.on_packets_expired(packets=sent)
    assert control.bytes_in_flight == 0


def test_begins_again_after_a_long_silence() -> None:
    path = Path(make(), 10_000)
    path.run(5)
    path.control.on_persistent_congestion()
    assert isinstance(path.control, MediaCongestionControl)
    assert path.control.congestion_window == FLOOR_DATAGRAMS * SIZE
