"""The transaction tables, every state and input, and the timers of RFC 3261 table 4."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import LocalProtocolError
from clutch.wire.sip.transaction import (
    TABLES,
    TIMERS,
    Do,
    Input,
    Kind,
    State,
    Timer,
    Transaction,
    initial_state,
)

# The diagrams of RFC 3261 figures 5 to 8 and RFC 6026, written a second time, one letter per action.
ACTIONS = {
    "s": Do.SEND,
    "r": Do.RESEND,
    "a": Do.ACK,
    "p": Do.PASS,
    "t": Do.TIME_OUT,
    "f": Do.FAIL,
}
DIAGRAMS = {
    Kind.ICT: """
        calling: RECV_1XX p proceeding, RECV_2XX p accepted, RECV_3XX_6XX ap completed,
                 TRANSPORT_ERROR f terminated, A r calling, B t terminated
        proceeding: RECV_1XX p proceeding, RECV_2XX p accepted, RECV_3XX_6XX ap completed,
                    TRANSPORT_ERROR f terminated, SEND_CANCEL - cancelling
        cancelling: RECV_1XX p cancelling, RECV_2XX p accepted, RECV_3XX_6XX ap completed,
                    TRANSPORT_ERROR f terminated, CANCEL t terminated
        completed: RECV_1XX - completed, RECV_2XX - completed, RECV_3XX_6XX a completed,
                   TRANSPORT_ERROR - terminated, D - terminated
        accepted: RECV_1XX - accepted, RECV_2XX p accepted, RECV_3XX_6XX - accepted,
                  TRANSPORT_ERROR - accepted, M - terminated
        terminated:""",
    Kind.NICT: """
        trying: RECV_1XX p proceeding, RECV_2XX p completed, RECV_3XX_6XX p completed,
                TRANSPORT_ERROR f terminated, E r trying, F t terminated
        proceeding: RECV_1XX p proceeding, RECV_2XX p completed, RECV_3XX_6XX p completed,
                    TRANSPORT_ERROR f terminated, E r proceeding, F t terminated
        completed: RECV_1XX - completed, RECV_2XX - completed, RECV_3XX_6XX - completed,
                   TRANSPORT_ERROR - terminated, K - terminated
        terminated:""",
    Kind.IST: """
        proceeding: RECV_REQUEST r proceeding, RECV_ACK - proceeding, SEND_1XX s proceeding,
                    SEND_2XX s accepted, SEND_3XX_6XX s completed, TRANSPORT_ERROR f terminated
        accepted: RECV_REQUEST - accepted, RECV_ACK p accepted, TRANSPORT_ERROR f accepted, L - terminated
        completed: RECV_REQUEST r completed, RECV_ACK - confirmed, TRANSPORT_ERROR f terminated,
                   G r completed, H t terminated
        confirmed: RECV_REQUEST - confirmed, RECV_ACK - confirmed, TRANSPORT_ERROR - confirmed, I - terminated
        terminated:""",
    Kind.NIST: """
        trying: RECV_REQUEST - trying, SEND_1XX s proceeding, SEND_2XX s completed, SEND_3XX_6XX s completed,
                TRANSPORT_ERROR f terminated
        proceeding: RECV_REQUEST r proceeding, SEND_1XX s proceeding, SEND_2XX s completed,
                    SEND_3XX_6XX s completed, TRANSPORT_ERROR f terminated
        completed: RECV_REQUEST r completed, TRANSPORT_ERROR f terminated, J - terminated
        terminated:""",
    Kind.OK: """
        accepted: RECV_ACK p terminated, OK_RETRANSMIT r accepted, OK_WAIT t terminated
        terminated:""",
}

# A way into every state: inputs from the start.
PATHS: dict[Kind, dict[State, list[Input | Timer]]] = {
    Kind.ICT: {
        State.CALLING: [],
        State.PROCEEDING: [Input.RECV_1XX],
        State.CANCELLING: [Input.RECV_1XX, Input.SEND_CANCEL],
        State.COMPLETED: [Input.RECV_3XX_6XX],
        State.ACCEPTED: [Input.RECV_2XX],
        State.TERMINATED: [Timer.B],
    },
    Kind.NICT: {
        State.TRYING: [],
        State.PROCEEDING: [Input.RECV_1XX],
        State.COMPLETED: [Input.RECV_2XX],
        State.TERMINATED: [Timer.F],
    },
    Kind.IST: {
        State.PROCEEDING: [],
        State.ACCEPTED: [Input.SEND_2XX],
        State.COMPLETED: [Input.SEND_3XX_6XX],
        State.CONFIRMED: [Input.SEND_3XX_6XX, Input.RECV_ACK],
        State.TERMINATED: [Input.SEND_3XX_6XX, Timer.H],
    },
    Kind.NIST: {
        State.TRYING: [],
        State.PROCEEDING: [Input.SEND_1XX],
        State.COMPLETED: [Input.SEND_2XX],
        State.TERMINATED: [Input.TRANSPORT_ERROR],
    },
    Kind.OK: {State.ACCEPTED: [], State.TERMINATED: [Input.RECV_ACK]},
}

PLACES = [(kind, state) for kind, states in PATHS.items() for state in states]
EVENTS: list[Input | Timer] = [*Input, *Timer]


def in_state(kind: Kind, state: State, *, reliable: bool = False) -> Transaction:
    transaction = Transaction.start(kind, reliable=reliable, now=0.0)
    for event in PATHS[kind][state]:
        transaction.handle(event, 0.0)
    assert transaction.state is state
    return transaction


def expected(kind: Kind, state: State) -> dict[Input | Timer, tuple[tuple[Do, ...], State]]:
    names = {event.name: event for event in EVENTS}
    text = " ".join(DIAGRAMS[kind].split())
    moves = text.split(f"{state.value}:")[1]
    for other in State:
        moves = moves.split(f"{other.value}:")[0]
    rows = {}
    for move in filter(None, map(str.strip, moves.split(","))):
        name, actions, target = move.split()
        rows[names[name]] = (tuple(ACTIONS[letter] for letter in actions.strip("-")), State(target))
    return rows


@pytest.mark.parametrize(("kind", "state"), PLACES)
def test_every_state_and_input_is_as_in_the_diagrams(kind: Kind, state: State) -> None:
    rows = expected(kind, state)
    for event in EVENTS:
        transaction = in_state(kind, state)
        before = transaction.next_timer()
        if event in rows:
            actions, target = rows[event]
            assert transaction.handle(event, 1.0) == actions
            assert transaction.state is target
        else:
            with pytest.raises(LocalProtocolError):
                transaction.handle(event, 1.0)
            assert transaction.state is state
            assert transaction.next_timer() == before


def test_the_paths_reach_every_state_of_every_table() -> None:
    assert {kind: set(states) for kind, states in PATHS.items()} == {k: set(t) for k, t in TABLES.items()}


@pytest.mark.parametrize("kind", Kind)
def test_every_row_leads_to_a_state_of_its_table(kind: Kind) -> None:
    targets = {row[1] for rows in TABLES[kind].values() for row in rows.values()}
    assert targets | {initial_state(kind)} == set(TABLES[kind])


def test_every_timer_is_specified_and_used() -> None:
    used = {event for table in TABLES.values() for rows in table.values() for event in rows} - set(Input)
    assert used == set(TIMERS) == set(Timer)


def run(transaction: Transaction, until: float) -> list[tuple[float, Do]]:
    """Let the timers act, and say when each of them did what."""
    log = []
    while (due := transaction.next_timer()) is not None and due <= until:
        timer = transaction.expired(due)
        assert timer is not None
        log += [(due, action) for action in transaction.handle(timer, due)]
    return log


CAPPED = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.mark.parametrize(
    ("kind", "state", "resent", "end", "last"),
    [
        (Kind.ICT, State.CALLING, [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], 32.0, Do.TIME_OUT),
        (Kind.NICT, State.TRYING, CAPPED, 32.0, Do.TIME_OUT),
        (Kind.NICT, State.PROCEEDING, [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5], 32.0, Do.TIME_OUT),
        (Kind.IST, State.COMPLETED, CAPPED, 32.0, Do.TIME_OUT),
        (Kind.OK, State.ACCEPTED, CAPPED, 32.0, Do.TIME_OUT),
        (Kind.ICT, State.CANCELLING, [], 32.0, Do.TIME_OUT),
        (Kind.ICT, State.COMPLETED, [], 32.0, None),
        (Kind.ICT, State.ACCEPTED, [], 32.0, None),
        (Kind.NICT, State.COMPLETED, [], 5.0, None),
        (Kind.IST, State.CONFIRMED, [], 5.0, None),
        (Kind.IST, State.ACCEPTED, [], 32.0, None),
        (Kind.NIST, State.COMPLETED, [], 32.0, None),
    ],
)
def test_timers_on_an_unreliable_transport(
    kind: Kind, state: State, resent: list[float], end: float, last: Do | None
) -> None:
    transaction = in_state(kind, state)
    log = run(transaction, end - 0.001)
    assert log == [(time, Do.RESEND) for time in resent]
    assert transaction.state is state
    assert run(transaction, end) == ([(end, last)] if last else [])
    assert transaction.state is State.TERMINATED
    assert transaction.next_timer() is None


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (Kind.ICT, Input.RECV_3XX_6XX),
        (Kind.NICT, Input.RECV_2XX),
        (Kind.NIST, Input.SEND_2XX),
    ],
)
def test_a_reliable_transport_needs_no_wait_for_repetitions(kind: Kind, event: Input) -> None:
    transaction = Transaction.start(kind, reliable=True, now=0.0)
    actions = transaction.handle(event, 1.0)
    assert actions
    assert transaction.state is State.TERMINATED


@pytest.mark.parametrize(
    ("kind", "state"),
    [(Kind.ICT, State.CALLING), (Kind.NICT, State.TRYING), (Kind.IST, State.COMPLETED)],
)
def test_nothing_is_repeated_on_a_reliable_transport(kind: Kind, state: State) -> None:
    transaction = in_state(kind, state, reliable=True)
    assert run(transaction, 100.0) == [(32.0, Do.TIME_OUT)]


def test_a_2xx_is_repeated_on_a_reliable_transport_too() -> None:
    transaction = in_state(Kind.OK, State.ACCEPTED, reliable=True)
    assert len(run(transaction, 31.9)) == 10


def test_an_acknowledged_final_response_is_over_at_once_on_a_reliable_transport() -> None:
    transaction = in_state(Kind.IST, State.COMPLETED, reliable=True)
    assert transaction.handle(Input.RECV_ACK, 1.0) == ()
    assert transaction.state is State.TERMINATED


def test_a_provisional_response_slows_the_repetition_of_a_request_but_not_its_end() -> None:
    transaction = in_state(Kind.NICT, State.TRYING)
    assert run(transaction, 2.0) == [(0.5, Do.RESEND), (1.5, Do.RESEND)]
    transaction.handle(Input.RECV_1XX, 2.0)
    log = run(transaction, 100.0)
    assert [time for time, _ in log] == [3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]


def test_an_expired_timer_is_named_only_when_it_is_due() -> None:
    transaction = in_state(Kind.ICT, State.CALLING)
    assert transaction.expired(0.499) is None
    assert transaction.expired(0.5) is Timer.A
    assert transaction.expired(40.0) is Timer.A
