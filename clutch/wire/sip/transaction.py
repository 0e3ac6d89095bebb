"""SIP transactions as tables: RFC 3261 section 17 with the Accepted states of RFC 6026.

A `Transaction` knows states, timers and what to do next; it holds no message, so the tables below are the
whole of it. The layer (`clutch.wire.sip.layer`) performs the actions on real messages.

Two rows go beyond the RFC's diagrams, because their rules live elsewhere in its text: `State.CANCELLING`
(section 9.1: an INVITE that was cancelled is given up after 64*T1) and `Kind.OK`, the retransmission of a
2xx by the UAS core until its ACK comes (section 13.3.1.4).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import attrs

from clutch.wire.sip.errors import LocalProtocolError

T1_S = 0.5
"""Estimate of the round-trip time (17.1.1.1)."""
T2_S = 4.0
"""Longest interval between retransmissions of anything but an INVITE (17.1.2.2)."""
T4_S = 5.0
"""Longest time a message stays in the network (17.1.2.2)."""


class Kind(enum.Enum):
    """Which machine."""

    ICT = "INVITE client"
    NICT = "non-INVITE client"
    IST = "INVITE server"
    NIST = "non-INVITE server"
    OK = "2xx to an INVITE"


class State(enum.Enum):
    """Where a transaction stands."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(enum.Enum):
    """What may happen to a transaction, timers apart."""

    RECV_1XX = "1xx received"
    RECV_2XX = "2xx received"
    RECV_3XX_6XX = "3xx-6xx received"
    RECV_REQUEST = "request retransmitted by the client"
    RECV_ACK = "ACK received"
    SEND_1XX = "1xx from the TU"
    SEND_2XX = "2xx from the TU"
    SEND_3XX_6XX = "3xx-6xx from the TU"
    SEND_CANCEL = "CANCEL from the TU"
    TRANSPORT_ERROR = "transport error"


class Timer(enum.Enum):
    """The timers of RFC 3261 table 4 and RFC 6026, and three for rules that have no letter there."""

    A = "A: INVITE retransmission"
    B = "B: INVITE transaction timeout"
    D = "D: wait for response retransmissions"
    E = "E: request retransmission"
    F = "F: transaction timeout"
    G = "G: INVITE response retransmission"
    H = "H: wait for ACK"
    I = "I: wait for ACK retransmissions"  # noqa: E741 - the RFC's letter
    J = "J: wait for request retransmissions"
    K = "K: wait for response retransmissions"
    L = "L: wait for accepted INVITE retransmissions"
    M = "M: wait for 2xx retransmissions"
    CANCEL = "wait for the final response to a cancelled INVITE (9.1)"
    OK_RETRANSMIT = "2xx retransmission (13.3.1.4)"
    OK_WAIT = "wait for ACK to a 2xx (13.3.1.4)"


@attrs.frozen
class TimerSpec:
    """How long a timer runs."""

    first_s: float
    reliable_s: float | None
    """The same on a reliable transport; None means that it does not run there."""
    cap_s: float | None = None
    """None: fires once. Otherwise it fires again and again, at doubled intervals up to this."""


_LONG_S = 64 * T1_S

TIMERS: Mapping[Timer, TimerSpec] = {
    Timer.A: TimerSpec(T1_S, None, cap_s=math.inf),
    Timer.B: TimerSpec(_LONG_S, _LONG_S),
    Timer.D: TimerSpec(_LONG_S, 0),
    Timer.E: TimerSpec(T1_S, None, cap_s=T2_S),
    Timer.F: TimerSpec(_LONG_S, _LONG_S),
    Timer.G: TimerSpec(T1_S, None, cap_s=T2_S),
    Timer.H: TimerSpec(_LONG_S, _LONG_S),
    Timer.I: TimerSpec(T4_S, 0),
    Timer.J: TimerSpec(_LONG_S, 0),
    Timer.K: TimerSpec(T4_S, 0),
    Timer.L: TimerSpec(_LONG_S, _LONG_S),
    Timer.M: TimerSpec(_LONG_S, _LONG_S),
    Timer.CANCEL: TimerSpec(_LONG_S, _LONG_S),
    Timer.OK_RETRANSMIT: TimerSpec(T1_S, T1_S, cap_s=T2_S),
    Timer.OK_WAIT: TimerSpec(_LONG_S, _LONG_S),
}


class Do(enum.Enum):
    """What the layer is to do, in order."""

    SEND = "send the message that came with the input"
    RESEND = "send the last message again"
    ACK = "send an ACK for the non-2xx response"
    PASS = "pass the message to the TU"
    TIME_OUT = "tell the TU that the peer did not answer"
    FAIL = "tell the TU that the transport failed"


Row = tuple[tuple[Do, ...], State]
Rows = Mapping[Input | Timer, Row]
Table = Mapping[State, Rows]

_NOTHING: tuple[Do, ...] = ()
_PASS = (Do.PASS,)
_SEND = (Do.SEND,)
_RESEND = (Do.RESEND,)
_TIMED_OUT: Row = ((Do.TIME_OUT,), State.TERMINATED)
_FAILED: Row = ((Do.FAIL,), State.TERMINATED)
_OVER: Row = (_NOTHING, State.TERMINATED)

_ICT_FINAL: Rows = {
    Input.RECV_2XX: (_PASS, State.ACCEPTED),
    Input.RECV_3XX_6XX: ((Do.ACK, Do.PASS), State.COMPLETED),
}

INVITE_CLIENT: Table = {
    State.CALLING: {
        **_ICT_FINAL,
        Input.RECV_1XX: (_PASS, State.PROCEEDING),
        Input.TRANSPORT_ERROR: _FAILED,
        Timer.A: (_RESEND, State.CALLING),
        Timer.B: _TIMED_OUT,
    },
    State.PROCEEDING: {
        **_ICT_FINAL,
        Input.RECV_1XX: (_PASS, State.PROCEEDING),
        Input.SEND_CANCEL: (_NOTHING, State.CANCELLING),
        Input.TRANSPORT_ERROR: _FAILED,
    },
    State.CANCELLING: {
        **_ICT_FINAL,
        Input.RECV_1XX: (_PASS, State.CANCELLING),
        Input.TRANSPORT_ERROR: _FAILED,
        Timer.CANCEL: _TIMED_OUT,
    },
    State.COMPLETED: {
        Input.RECV_1XX: (_NOTHING, State.COMPLETED),
        Input.RECV_2XX: (_NOTHING, State.COMPLETED),
        Input.RECV_3XX_6XX: ((Do.ACK,), State.COMPLETED),
        Input.TRANSPORT_ERROR: _OVER,
        Timer.D: _OVER,
    },
    State.ACCEPTED: {
        Input.RECV_1XX: (_NOTHING, State.ACCEPTED),
        Input.RECV_2XX: (_PASS, State.ACCEPTED),
        Input.RECV_3XX_6XX: (_NOTHING, State.ACCEPTED),
        Input.TRANSPORT_ERROR: (_NOTHING, State.ACCEPTED),
        Timer.M: _OVER,
    },
    State.TERMINATED: {},
}

_NICT_TRYING: Rows = {
    Input.RECV_1XX: (_PASS, State.PROCEEDING),
    Input.RECV_2XX: (_PASS, State.COMPLETED),
    Input.RECV_3XX_6XX: (_PASS, State.COMPLETED),
    Input.TRANSPORT_ERROR: _FAILED,
    Timer.F: _TIMED_OUT,
}

NON_INVITE_CLIENT: Table = {
    State.TRYING: {**_NICT_TRYING, Timer.E: (_RESEND, State.TRYING)},
    State.PROCEEDING: {**_NICT_TRYING, Timer.E: (_RESEND, State.PROCEEDING)},
    State.COMPLETED: {
        Input.RECV_1XX: (_NOTHING, State.COMPLETED),
        Input.RECV_2XX: (_NOTHING, State.COMPLETED),
        Input.RECV_3XX_6XX: (_NOTHING, State.COMPLETED),
        Input.TRANSPORT_ERROR: _OVER,
        Timer.K: _OVER,
    },
    State.TERMINATED: {},
}

INVITE_SERVER: Table = {
    State.PROCEEDING: {
        Input.RECV_REQUEST: (_RESEND, State.PROCEEDING),
        Input.RECV_ACK: (_NOTHING, State.PROCEEDING),
        Input.SEND_1XX: (_SEND, State.PROCEEDING),
        Input.SEND_2XX: (_SEND, State.ACCEPTED),
        Input.SEND_3XX_6XX: (_SEND, State.COMPLETED),
        Input.TRANSPORT_ERROR: _FAILED,
    },
    State.ACCEPTED: {
        # Kind.OK repeats the 2xx, so a repeated INVITE is absorbed here.
        Input.RECV_REQUEST: (_NOTHING, State.ACCEPTED),
        Input.RECV_ACK: (_PASS, State.ACCEPTED),
        Input.TRANSPORT_ERROR: ((Do.FAIL,), State.ACCEPTED),
        Timer.L: _OVER,
    },
    State.COMPLETED: {
        Input.RECV_REQUEST: (_RESEND, State.COMPLETED),
        Input.RECV_ACK: (_NOTHING, State.CONFIRMED),
        Input.TRANSPORT_ERROR: _FAILED,
        Timer.G: (_RESEND, State.COMPLETED),
        Timer.H: _TIMED_OUT,
    },
    State.CONFIRMED: {
        Input.RECV_REQUEST: (_NOTHING, State.CONFIRMED),
        Input.RECV_ACK: (_NOTHING, State.CONFIRMED),
        Input.TRANSPORT_ERROR: (_NOTHING, State.CONFIRMED),
        Timer.I: _OVER,
    },
    State.TERMINATED: {},
}

_NIST_FINAL: Rows = {
    Input.SEND_2XX: (_SEND, State.COMPLETED),
    Input.SEND_3XX_6XX: (_SEND, State.COMPLETED),
    Input.TRANSPORT_ERROR: _FAILED,
}

NON_INVITE_SERVER: Table = {
    State.TRYING: {
        **_NIST_FINAL,
        Input.RECV_REQUEST: (_NOTHING, State.TRYING),
        Input.SEND_1XX: (_SEND, State.PROCEEDING),
    },
    State.PROCEEDING: {
        **_NIST_FINAL,
        Input.RECV_REQUEST: (_RESEND, State.PROCEEDING),
        Input.SEND_1XX: (_SEND, State.PROCEEDING),
    },
    State.COMPLETED: {
        Input.RECV_REQUEST: (_RESEND, State.COMPLETED),
        Input.TRANSPORT_ERROR: _FAILED,
        Timer.J: _OVER,
    },
    State.TERMINATED: {},
}

OK_TO_INVITE: Table = {
    State.ACCEPTED: {
        Input.RECV_ACK: (_PASS, State.TERMINATED),
        Timer.OK_RETRANSMIT: (_RESEND, State.ACCEPTED),
        Timer.OK_WAIT: _TIMED_OUT,
    },
    State.TERMINATED: {},
}

TABLES: Mapping[Kind, Table] = {
    Kind.ICT: INVITE_CLIENT,
    Kind.NICT: NON_INVITE_CLIENT,
    Kind.IST: INVITE_SERVER,
    Kind.NIST: NON_INVITE_SERVER,
    Kind.OK: OK_TO_INVITE,
}
"""Every legal move; what is not in a table is illegal. A timer runs in exactly those states that name it."""


def initial_state(kind: Kind) -> State:
    """The state in which a machine of this kind starts: the first of its table."""
    return next(iter(TABLES[kind]))


@attrs.define
class _Running:
    due: float
    interval_s: float


@attrs.define(eq=False)
class Transaction:
    """One machine at work: feed it inputs and expired timers, perform what it returns, in order."""

    kind: Kind
    reliable: bool
    """Whether the transport is reliable (TCP, TLS)."""
    state: State = attrs.field(init=False)
    _running: dict[Timer, _Running] = attrs.field(init=False, factory=dict, repr=False)

    @classmethod
    def start(cls, kind: Kind, *, reliable: bool, now: float) -> Transaction:
        """A new machine whose first message has just been sent (client, 2xx) or received (server)."""
        transaction = cls(kind, reliable)
        transaction._enter(initial_state(kind), now)
        return transaction

    def handle(self, event: Input | Timer, now: float) -> tuple[Do, ...]:
        """Make the move for `event`. Raises `LocalProtocolError`, and changes nothing, if there is none."""
        row = TABLES[self.kind][self.state].get(event)
        if row is None or (isinstance(event, Timer) and event not in self._running):
            raise LocalProtocolError(f"{event.value!r} in state {self.state.value!r} ({self.kind.value})")
        actions, state = row
        if isinstance(event, Timer):
            self._restart(event, now)
        if state is not self.state:
            actions += self._enter(state, now)
        return actions

    def next_timer(self) -> float | None:
        """When the next timer expires, or None if none runs."""
        return min((running.due for running in self._running.values()), default=None)

    def expired(self, now: float) -> Timer | None:
        """The running timer that expired first by `now`, if any; feed it to `handle`."""
        due = [(running.due, timer) for timer, running in self._running.items() if running.due <= now]
        return min(due, key=lambda item: item[0])[1] if due else None

    def _restart(self, timer: Timer, now: float) -> None:
        cap_s = TIMERS[timer].cap_s
        if cap_s is None:
            del self._running[timer]
            return
        # 17.1.2.2: a non-INVITE request that was answered provisionally is only repeated every T2.
        doubled = 2 * self._running[timer].interval_s
        interval_s = cap_s if self.state is State.PROCEEDING else min(doubled, cap_s)
        self._running[timer] = _Running(now + interval_s, interval_s)

    def _enter(self, state: State, now: float) -> tuple[Do, ...]:
        self.state = state
        timers = [event for event in TABLES[self.kind][state] if isinstance(event, Timer)]
        self._running = {timer: self._running[timer] for timer in timers if timer in self._running}
        actions: tuple[Do, ...] = ()
        for timer in timers:
            spec = TIMERS[timer]
            interval_s = spec.reliable_s if self.reliable else spec.first_s
            if interval_s is None or timer in self._running:
                continue
            self._running[timer] = _Running(now + interval_s, interval_s)
            if interval_s == 0:
                actions += self.handle(timer, now)
        return actions
