"""The parts of a session by themselves: IDs, tokens, deadlines, and the table of what may follow what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import RemoteProtocolError
from clutch.wire.moqt.parameters import AliasType, Parameters, Token
from clutch.wire.moqt.session_ids import MAX_MISSING, OwnIds, PeerIds
from clutch.wire.moqt.session_request import LEGAL, YES, From, Kind, State, merged
from clutch.wire.moqt.session_timers import Timers
from clutch.wire.moqt.session_tokens import TokenCache


@given(st.permutations(range(1, 61, 2)))
def test_ids_in_any_order_each_once(order: list[int]) -> None:
    ids = PeerIds(client=False)
    for number in order:
        ids.use(number)
        with pytest.raises(RemoteProtocolError, match="used before"):
            ids.use(number)
    assert ids.next == 61


def test_ids_that_never_come_are_given_up() -> None:
    ids = PeerIds(client=True)
    for number in range(2, 2 * MAX_MISSING + 10, 2):
        ids.use(number)
    assert ids.next == 2 * MAX_MISSING + 10
    with pytest.raises(RemoteProtocolError, match="used before"):
        ids.use(0)


@pytest.mark.parametrize(
    ("number", "code"),
    [(3, SessionError.INVALID_REQUEST_ID), (8, SessionError.TOO_MANY_REQUESTS)],
)
def test_ids_that_are_not_the_peers(number: int, code: SessionError) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        PeerIds(client=True, maximum=8).use(number)
    assert caught.value.code is code


def test_own_ids() -> None:
    ids = OwnIds(client=False)
    ids.take()
    assert ids.next == 3


def token(kind: AliasType, alias: int, value: bytes | None = None) -> Token:
    """As it comes from the wire."""
    return Token(kind, alias, None if value is None else 0, value)


def test_tokens_count_as_the_draft_says() -> None:
    cache = TokenCache(limit=40)
    cache.resolve([token(AliasType.REGISTER, 1, b"1234"), token(AliasType.REGISTER, 2, b"1234")])
    assert cache.size == 40
    with pytest.raises(RemoteProtocolError) as caught:
        cache.resolve([token(AliasType.REGISTER, 3, b"")])
    assert caught.value.code is SessionError.AUTH_TOKEN_CACHE_OVERFLOW
    assert cache.resolve([token(AliasType.DELETE, 1), token(AliasType.USE_ALIAS, 2)]) == (Token.of(b"1234"),)
    assert cache.size == 20
    cache.resolve([token(AliasType.REGISTER, 1, b"")])
    with pytest.raises(RemoteProtocolError) as caught:
        cache.resolve([token(AliasType.DELETE, 7)])
    assert caught.value.code is SessionError.UNKNOWN_AUTH_TOKEN_ALIAS


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50), st.booleans()), max_size=60))
def test_timers_run_in_order_and_once(steps: list[tuple[int, int, bool]]) -> None:
    timers, ran, wanted = Timers(), list[tuple[int, int]](), dict[int, int]()
    for key, when, keep in steps:
        timers.set(key, when, lambda key=key, when=when: ran.append((when, key)))  # type: ignore[misc]
        wanted[key] = when
        if not keep:
            timers.clear(key)
            del wanted[key]
    assert timers.deadline() == (min(wanted.values()) if wanted else None)
    timers.run(25)
    due = sorted(when for when in wanted.values() if when <= 25)
    assert [when for when, _ in ran] == due
    timers.run(50)
    assert sorted(key for _, key in ran) == sorted(wanted)
    assert timers.deadline() is None


def test_timers_forget_what_was_cleared() -> None:
    timers = Timers()
    for number in range(1_000):
        timers.set("x", number, lambda: None)
        timers.set(number, number, lambda: None)
        timers.clear(number)
    assert len(timers._heap) < 100


def test_every_kind_has_one_yes_and_can_be_refused() -> None:
    for kind in Kind:
        first = LEGAL[kind, State.PENDING, From.ANSWERER]
        assert {YES[kind], m.RequestError_} <= first
        assert not first & {m.RequestUpdate, m.PublishDone}
        assert (kind, State.DONE, From.ASKER) not in LEGAL
        assert (kind, State.ENDED, From.ANSWERER) not in LEGAL


def test_only_publishers_end_a_subscription() -> None:
    able = {key for key, messages in LEGAL.items() if m.PublishDone in messages}
    assert able == {
        (Kind.PUBLISH, State.PENDING, From.ASKER),
        (Kind.PUBLISH, State.ESTABLISHED, From.ASKER),
        (Kind.SUBSCRIBE, State.ESTABLISHED, From.ANSWERER),
    }


def test_nothing_follows_a_track_status() -> None:
    assert LEGAL[Kind.TRACK_STATUS, State.PENDING, From.ASKER] == frozenset()


def test_what_an_update_does_not_mention_stays() -> None:
    tokens = (Token.of(b"a"),)
    old = Parameters(forward=True, subscriber_priority=3, authorization=tokens, prefix=(b"a",))
    assert merged(old, Parameters(forward=False, prefix=())) == Parameters(
        forward=False, subscriber_priority=3, authorization=tokens, prefix=()
    )
