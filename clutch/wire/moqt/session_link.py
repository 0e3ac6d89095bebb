"""How control messages travel in each draft: on request streams, or numbered on one control stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import ResetCode, SessionError
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.errors import RemoteProtocolError
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.session_channel import Carrier, Channel, Stream
from clutch.wire.moqt.session_events import Event, Failed, SessionLimits
from clutch.wire.moqt.session_ids import OwnIds, PeerIds
from clutch.wire.moqt.session_request import Asking, Kind, Request, State
from clutch.wire.moqt.session_timers import Timers

_NO_ID = -1


@attrs.define(eq=False)
class Link:
    """What all parts of a session share: the way to the peer, the events and the deadlines."""

    draft: Draft
    client: bool
    """Whether this side is the client."""
    carrier: Carrier = attrs.field(repr=False)
    limits: SessionLimits = attrs.field(repr=False)
    events: deque[Event] = attrs.field(init=False, factory=deque, repr=False)
    timers: Timers = attrs.field(init=False, factory=Timers, repr=False)
    now: float = attrs.field(init=False, default=0.0)
    """The time of the latest input."""
    out: Channel | None = attrs.field(init=False, default=None, repr=False)
    """This side's control stream."""
    own_ids: OwnIds = attrs.field(init=False, repr=False)
    peer_ids: PeerIds = attrs.field(init=False, repr=False)
    ready: bool = attrs.field(init=False, default=False)
    """The peer's SETUP has come."""
    going_away: bool = attrs.field(init=False, default=False)
    """This side has sent GOAWAY."""
    sent_away: bool = attrs.field(init=False, default=False)
    """The peer has sent GOAWAY."""
    stuck: Callable[[Request], None] = attrs.field(init=False, default=lambda request: None, repr=False)
    """Called when the peer does not read the stream of a request."""
    _given_back: int = attrs.field(init=False, default=0, repr=False)
    """Draft 16: request IDs of the peer that are free since the last MAX_REQUEST_ID."""
    _queue: deque[tuple[int, Request, bytes]] = attrs.field(init=False, factory=deque, repr=False)
    """What may not be sent yet, with the request ID that it uses."""
    _complained: int = attrs.field(init=False, default=-1, repr=False)
    """Draft 16: the MAX_REQUEST_ID that the peer was told to be too low."""
    _unsent: dict[Channel, None] = attrs.field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        window = None if self.draft.request_streams else 2 * self.limits.requests
        self.peer_ids = PeerIds(not self.client, window)
        self.own_ids = OwnIds(self.client, None if window is None else 0)

    def channel(self, stream: Stream | None) -> Channel:
        """A channel on a stream, or on one that is still to be opened."""
        channel = Channel(None, ControlParser(self.draft))
        if stream is not None:
            channel.opened(stream)
        return channel

    def send(self, channel: Channel, data: bytes, *, fin: bool = False) -> None:
        """Send on a channel, now or as soon as it takes more."""
        channel.send(data, fin=fin)
        if not channel.waits or channel.stream is None:
            return
        self._unsent[channel] = None
        if channel.unsent > self.limits.control_unsent:
            if channel.request is None:
                self.fail(RemoteProtocolError(SessionError.INTERNAL_ERROR, "control messages are not read"))
            elif channel.request.state is not State.ENDED:
                self.stuck(channel.request)

    def say(
        self, request: Request, message: m.Message, *, fin: bool = False, request_id: int | None = None
    ) -> None:
        """Send a message about a request."""
        self.pass_on(request, self.encoded(request, message, request_id=request_id), fin=fin)

    def encoded(self, request: Request, message: m.Message, *, request_id: int | None = None) -> bytes:
        """A message about a request, with its ID, or a given one, where the draft wants one."""
        if not self.draft.request_streams and getattr(message, "request_id", 0) is None:
            number = request.id if request_id is None else request_id
            message = attrs.evolve(message, request_id=number)  # type: ignore[arg-type]  # all but SETUP
            if isinstance(message, m.RequestOk) and request.kind is Kind.PUBLISH and number == request.id:
                message = m.PublishOk(number, message.parameters)
        return self.draft.encode(message)

    def pass_on(self, request: Request, data: bytes, *, fin: bool = False) -> None:
        """Send an encoded message about a request; `fin`: the last one on its stream, if it has one."""
        if request.channel is not self.out:
            self.send(request.channel, data, fin=fin)
        elif any(number == request.id for number, _, _ in self._queue):  # itself was not sent yet
            self._queue.append((_NO_ID, request, data))
        else:
            self.send(self.out, data)

    def ask(self, number: int, request: Request, data: bytes) -> None:
        """Send a request or an update as soon as the peer allows its ID, in order of the IDs."""
        self._queue.append((number, request, data))
        self.pump()

    def writable(self) -> None:
        """Streams may be written to again."""
        for channel in list(self._unsent):
            if not channel.flush():
                return
            del self._unsent[channel]
        self.pump()

    def pump(self) -> None:
        """Send what has become possible."""
        maximum = self.own_ids.maximum
        while self._queue:
            number, request, data = self._queue[0]
            if maximum is not None and number >= maximum:
                self._complain(maximum)
                return
            channel: Channel = request.channel
            if channel.stream is not None:
                self.send(channel, data)
            elif not channel.closed or not self.draft.request_streams:
                # What was taken back before has its place in draft 16: no ID may be left out there.
                stream = self.carrier.open_bidi(data, fin=channel.closed)
                if stream is None:
                    return
                channel.opened(stream)
                if channel.closed:
                    stream.stop(self.reset_code(ResetCode.CANCELLED))
            self._queue.popleft()

    def _complain(self, maximum: int) -> None:
        if maximum != self._complained and self.ready and self.out is not None:
            self._complained = maximum
            self.send(self.out, self.draft.encode(m.RequestsBlocked(maximum)))

    @property
    def blocked(self) -> bool:
        """Whether an ID that is used now would have to wait."""
        maximum = self.own_ids.maximum
        return maximum is not None and (bool(self._queue) or self.own_ids.next >= maximum)

    @property
    def full(self) -> bool:
        """Whether more requests wait than a session should have."""
        return len(self._queue) >= self.limits.requests

    def give_back(self) -> None:
        """Draft 16: the peer may use another request ID. It is told of half a window at a time."""
        if self.peer_ids.maximum is None or self.out is None:
            return
        self._given_back += 1
        if 2 * self._given_back >= self.limits.requests:
            self.peer_ids.maximum += 2 * self._given_back
            self._given_back = 0
            self.send(self.out, self.draft.encode(m.MaxRequestId(self.peer_ids.maximum)))

    def ours(self, request_id: int) -> bool:
        """Whether a request ID is one of this side's."""
        return request_id % 2 == (0 if self.client else 1)

    def of_draft(self, message: Asking) -> m.Message:
        """How this draft says it: SUBSCRIBE_TRACKS is draft 16's SUBSCRIBE_NAMESPACE with other options."""
        match message:
            case _ if self.draft.request_streams:
                return message
            case m.SubscribeTracks(request_id=number, prefix=prefix, parameters=parameters):
                return m.SubscribeNamespace(number, prefix, parameters, options=0)
            case m.SubscribeNamespace(options=None):
                return attrs.evolve(message, options=1)
        return message

    def forget(self, request: Request) -> None:
        """Who was to be told of a request wants to hear no more of it."""
        kept = [event for event in self.events if getattr(event, "request", None) is not request]
        self.events.clear()
        self.events.extend(kept)

    def reset_code(self, code: int) -> int:
        """How this draft writes a `ResetCode`."""
        return self.draft.reset_codes.to_wire(code)

    def fail(self, error: RemoteProtocolError) -> None:
        """The session cannot go on."""
        self.events.append(Failed(error.code, error.text))

    def slow(self, what: str) -> None:
        """The peer takes too long."""
        self.fail(RemoteProtocolError(SessionError.CONTROL_MESSAGE_TIMEOUT, f"{what} took too long"))
