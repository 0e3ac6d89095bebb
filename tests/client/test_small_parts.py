"""Addresses, waits between attempts, real time."""

from __future__ import annotations

import random

import pytest
import trio

from clutch.client.address import NodeAddress, parse_address
from clutch.client.backoff import Backoff
from clutch.client.errors import AddressError
from clutch.client.pace import Pacer
from clutch.client.values import MOVES, Frame, State


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("moqt://node:4443", NodeAddress("quic", "node", 4443, "")),
        ("moqt://node/a?b=c", NodeAddress("quic", "node", 443, "/a?b=c")),
        ("https://[::1]:4443/moq#part", NodeAddress("webtransport", "::1", 4443, "/moq")),
    ],
)
def test_addresses(url: str, address: NodeAddress) -> None:
    assert parse_address(url) == address


def test_the_authority_names_the_port_unless_it_is_the_usual_one() -> None:
    assert parse_address("moqt://[::1]:4443").authority == "[::1]:4443"
    assert parse_address("moqt://node").authority == "node"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://node", "moqt:// or https://"),
        ("node:4443", "moqt:// or https://"),
        ("moqt://:4443", "no host"),
        ("moqt://node:port", "node:port"),
        ("moqt://node:70000", "out of range"),
        ("moqt://secret@node", "a token is given separately"),
        ("moqt://node/a b", "without spaces"),
        ("moqt://[::1", "Invalid IPv6"),
    ],
)
def test_what_is_no_address(url: str, rule: str) -> None:
    with pytest.raises(AddressError, match=rule) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)


def test_waits_grow_to_a_cap_and_are_anything_below_it() -> None:
    backoff = Backoff(random.Random(1), 0.25, 2.0)
    bounds = [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    waits = [backoff.next_s() for _ in bounds]
    assert all(wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    again = Backoff(random.Random(1), 0.25, 2.0)
    assert waits == [again.next_s() for _ in bounds]
    backoff.reset()
    assert backoff.next_s() <= 0.25


def test_waits_never_overflow() -> None:
    backoff = Backoff()
    for _ in range(2000):
        assert backoff.next_s() <= backoff.cap_s


async def test_pace_does_not_drift(autojump_clock: trio.testing.MockClock) -> None:
    pacer, start = Pacer(), trio.current_time()
    for number in range(100):
        await pacer.wait(0.02)
        assert trio.current_time() - start == pytest.approx(number * 0.02)
        await trio.sleep(0.007)


async def test_pace_begins_anew_after_a_pause(autojump_clock: trio.testing.MockClock) -> None:
    pacer, times = Pacer(lead_s=0.04), []
    for number in range(10):
        await pacer.wait(0.02)
        times.append(trio.current_time())
        if number == 4:
            await trio.sleep(5)
    assert times[:5] == pytest.approx([0.0, 0.0, 0.0, 0.02, 0.04])
    assert times[5:] == pytest.approx([5.04, 5.04, 5.04, 5.06, 5.08])


def test_the_end_is_the_end() -> None:
    assert MOVES[State.CLOSED] == frozenset()
    assert set(MOVES) == set(State)


def test_text() -> None:
    assert Frame("grüß".encode()).text == "grüß"
    assert Frame(b"\xff").text == "\ufffd"
