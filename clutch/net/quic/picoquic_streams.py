"""The streams and datagrams of one session on picoquic: the `Sender` of its `Session`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs

from clutch.net.quic.picoquic_private import DEFAULT_PRIORITY, Picoquic, RawChannel, WebChannel

_RING = 64 << 10
"""Bytes of a stream that picoquic may hold; what is beyond waits here."""
_SMALLEST_RING = 256
_UNKNOWN = 1 << 62
"""Numbers of streams of WebTransport whose real one picoquic has not told yet are from here on."""
_BIDIRECTIONAL, _UNIDIRECTIONAL = 1, 3
"""The lowest IDs of streams of a server (RFC 9000, 2.1)."""


@attrs.define(eq=False)
class Pipe:
    """One stream as picoquic has it."""

    stream_id: int
    context: int = 0
    """picoquic's; 0 before there is one, and after."""
    face: Any = None
    waiting: deque[bytes] = attrs.field(factory=deque, repr=False)
    """What did not fit into its ring."""
    held: int = 0
    """Bytes of that."""
    fin: bool = False
    """The end comes after what waits."""
    ring: int = 0
    wishes: list[tuple[str, int]] = attrs.field(factory=list, repr=False)
    """What was asked before there was a context: methods of the channel, and their numbers."""


@attrs.define(eq=False)
class Streams:
    """See `Sender`."""

    _picoquic: Picoquic = attrs.field(repr=False)
    channel: RawChannel | WebChannel
    _datagram_bytes: int
    """How many may wait."""
    _pipes: dict[int, Pipe] = attrs.field(init=False, factory=dict, repr=False)
    _sending: dict[Pipe, None] = attrs.field(init=False, factory=dict, repr=False)
    """Those that may have something to send."""
    _creating: deque[Pipe] = attrs.field(init=False, factory=deque, repr=False)
    _owned: set[int] = attrs.field(init=False, factory=set, repr=False)
    """Contexts of raw streams that we have a reference to."""
    _datagrams: int = attrs.field(init=False, default=0)
    _over: bool = attrs.field(init=False, default=False)
    _numbers: dict[bool, Iterator[int]] = attrs.field(init=False, repr=False)
    """By whether streams are unidirectional."""

    def __attrs_post_init__(self) -> None:
        base = _UNKNOWN if isinstance(self.channel, WebChannel) else 0
        self._numbers = {
            True: itertools.count(base + _UNIDIRECTIONAL, 4),
            False: itertools.count(base + _BIDIRECTIONAL, 4),
        }

    # Sender

    @property
    def unsent(self) -> int:
        """See `Sender.unsent`."""
        total = self.datagrams_unsent
        for pipe in tuple(self._sending):
            waits = self._unsent(pipe)
            if not waits:
                del self._sending[pipe]
            total += waits
        return total

    @property
    def datagrams_unsent(self) -> int:
        """See `Sender.datagrams_unsent`."""
        return self._picoquic.datagrams_unsent(self._datagrams) if self._datagrams else 0

    @property
    def streams_waiting(self) -> int:
        """See `Sender.streams_waiting`."""
        return len(self._sending)

    @property
    def max_datagram(self) -> int:
        """See `Sender.max_datagram`."""
        return max(0, self._picoquic.max_datagram_of(self.channel.connection) - self.channel.prefix)

    def open_stream(self, data: bytes, *, fin: bool, one_way: bool) -> Pipe:
        """See `Sender.open_stream`."""
        pipe = Pipe(next(self._numbers[one_way]))
        self._pipes[pipe.stream_id] = pipe
        if isinstance(self.channel, WebChannel):
            self._creating.append(pipe)
            self.channel.create(bidirectional=not one_way)
        else:
            pipe.context = self._picoquic.make_stream()
            self._owned.add(pipe.context)
        self.send_stream_data(pipe.stream_id, data, fin)
        return pipe

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """See `Sender.send_stream_data`."""
        pipe = self._pipes.get(stream_id)
        if pipe is None:
            return
        if pipe.waiting or not self._put(pipe, data, end_stream):
            pipe.waiting.append(data)
            pipe.held += len(data)
            pipe.fin = end_stream
            if pipe.context:
                self.sent(pipe.stream_id)
        self._sending[pipe] = None

    def stream_unsent(self, stream_id: int) -> int:
        """See `Sender.stream_unsent`."""
        pipe = self._pipes.get(stream_id)
        return 0 if pipe is None else self._unsent(pipe)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """See `Sender.reset_stream`."""
        pipe = self._pipes.get(stream_id)
        if pipe is not None:
            pipe.waiting.clear()
            pipe.held = 0
            self._sending.pop(pipe, None)
            self._wish(pipe, "reset", error_code)

    def stop(self, stream_id: int, error_code: int) -> None:
        """See `Sender.stop`."""
        if (pipe := self._pipes.get(stream_id)) is not None:
            self._wish(pipe, "stop", error_code)

    def prioritise(self, stream_id: int, priority: int) -> None:
        """See `Sender.prioritise`: in picoquic's 128 steps, of the bits from the ninth on."""
        pipe = self._pipes.get(stream_id)
        step = min(0xFF, DEFAULT_PRIORITY - 128 + 2 * (priority >> 9))
        if pipe is not None and step != DEFAULT_PRIORITY:
            if pipe.context:
                self.channel.prioritise(pipe.stream_id, step)
            else:
                pipe.wishes.append(("prioritise", step))

    def send_datagram_frame(self, data: bytes) -> None:
        """See `Sender.send_datagram_frame`."""
        if not self._datagrams:
            self._datagrams = self._picoquic.make_datagrams(
                2 * self._datagram_bytes
            )  # for their lengths, too
        if self._picoquic.put_datagram(self._datagrams, data):
            self.channel.datagrams(self._datagrams)

    def keep(self, stream_id: int, face: Any) -> None:
        """See `Sender.keep`."""
        if (pipe := self._pipes.get(stream_id)) is not None:
            pipe.face = face

    def face(self, stream_id: int) -> Any:
        """See `Sender.face`."""
        pipe = self._pipes.get(stream_id)
        return None if pipe is None else pipe.face

    # What the connection calls

    def found(self, number: int, context: int) -> None:
        """An event named a stream, and maybe its context; it may be a new one."""
        if isinstance(self.channel, WebChannel):
            if self._over:
                self.channel.clean()
                return
        elif context and not self._over:
            self._owned.add(context)
        pipe = self._pipes.get(number)
        if pipe is None:
            self._pipes[number] = Pipe(number, context)
        elif not pipe.context:
            pipe.context = context

    def created(self, number: int, context: int) -> bool:
        """The oldest stream that was asked for is open; False: it could not be."""
        if isinstance(self.channel, WebChannel) and self._over:
            self.channel.clean()
            return True
        pipe = self._creating.popleft()
        del self._pipes[pipe.stream_id]
        if not context:
            return False
        self._pipes[number] = pipe
        pipe.stream_id, pipe.context = number, context
        if pipe.face is not None:
            pipe.face.number = number
        if not any(wish == "reset" for wish, _ in pipe.wishes):
            self.sent(number)
        for wish, code in pipe.wishes:
            self._do(pipe, wish, code)
        pipe.wishes.clear()
        return True

    def sent(self, number: int) -> None:
        """There may be room in the ring of a stream again."""
        pipe = self._pipes.get(number)
        if pipe is None:
            return
        while pipe.waiting:
            data = pipe.waiting[0]
            ring = pipe.ring or _RING
            piece = data[: ring - self._picoquic.unsent(pipe.context)]
            last = len(piece) == len(data)
            fin = pipe.fin and last and len(pipe.waiting) == 1
            if (data and not piece) or not self._put(pipe, piece, fin):
                self._picoquic.watch(pipe.context)
                if self._picoquic.unsent(pipe.context) >= ring:
                    return
                continue
            pipe.held -= len(piece)
            if last:
                pipe.waiting.popleft()
            else:
                pipe.waiting[0] = data[len(piece) :]

    def gone(self, number: int, context: int) -> None:
        """picoquic has done with a stream."""
        self._owned.discard(context)
        pipe = self._pipes.pop(number, None)
        if pipe is not None:
            pipe.context = pipe.held = 0
            pipe.waiting.clear()
            self._sending.pop(pipe, None)

    def release(self) -> None:
        """The connection is over, or the session. Idempotent."""
        self._over = True
        self._pipes.clear()
        self._sending.clear()
        self._creating.clear()
        while self._owned:
            self._picoquic.release_stream(self._owned.pop())
        ring, self._datagrams = self._datagrams, 0
        if ring:
            self.channel.release_datagrams(ring)

    def _unsent(self, pipe: Pipe) -> int:
        return pipe.held + (self._picoquic.unsent(pipe.context) if pipe.context else 0)

    def _put(self, pipe: Pipe, data: bytes, fin: bool) -> bool:
        """Into the stream's ring, whole; False if that cannot be."""
        if not pipe.context:
            return False
        if not pipe.ring:
            # A stream that is written at once gets as much as it needs.
            pipe.ring = max(_SMALLEST_RING, 1 << (len(data) - 1).bit_length()) if fin and data else _RING
            pipe.ring = min(pipe.ring, _RING)
        return len(data) <= pipe.ring and self.channel.send(
            pipe.stream_id, pipe.context, data, fin, pipe.ring
        )

    def _wish(self, pipe: Pipe, wish: str, code: int) -> None:
        if pipe.context:
            self._do(pipe, wish, code)
        else:
            pipe.wishes.append((wish, code))

    def _do(self, pipe: Pipe, wish: str, code: int) -> None:
        if wish == "prioritise":
            self.channel.prioritise(pipe.stream_id, code)
        elif wish == "reset":
            self.channel.reset(pipe.stream_id, pipe.context, code)
        else:
            self.channel.stop(pipe.stream_id, pipe.context, code)
