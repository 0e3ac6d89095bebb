"""Offer/answer for one audio stream (RFC 3264): make an offer, answer one, read an answer.

One audio stream is used; any other media line of a peer is rejected with port 0. An answer of ours names
exactly one codec, so that the codec cannot change in mid-stream. Old-style hold (``c=0.0.0.0``, RFC 3264
section 8.4) counts as a peer that does not want to receive. RTCP on the RTP port (RFC 5761) is offered, and
agreed to if the peer offers it. How SRTP is agreed on: `clutch.wire.sdp.crypto`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

import attrs

from clutch.wire.sdp.codecs import COMFORT_NOISE, EVENT_PAYLOAD_TYPES, STATIC, TELEPHONE_EVENT, CodecOffer
from clutch.wire.sdp.crypto import (
    PLAIN,
    SECURE,
    Crypto,
    Keys,
    accept_crypto,
    answer_crypto,
    offer_crypto,
)
from clutch.wire.sdp.errors import NotAcceptable
from clutch.wire.sdp.fields import Connection, Direction, Line, Origin, RtpMap, is_number
from clutch.wire.sdp.session import Media, Session

PTIME_MS = 20
"""Packet duration that we send and ask for."""


@attrs.frozen
class LocalMedia:
    """What our side brings to the negotiation."""

    address: str
    """The IP address that the peer shall send to."""
    port: int
    codecs: Sequence[CodecOffer]
    """By preference, best first."""
    session_id: int
    """For the ``o=`` line of a first description: unique per session (RFC 8866 section 5.2)."""
    session_version: int = 1
    """Version of a first description. Later ones count on from the previous."""
    telephone_event: bool = True
    """Whether RFC 4733 events are welcome."""
    comfort_noise: bool = False
    """Whether pauses are to be sent as comfort noise."""
    direction: Direction = Direction.SENDRECV
    """What we want; SENDONLY puts the peer on hold."""
    keys: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    """Our master key, its salt behind it, for each suite of SRTP that we take; none: no SRTP. The suite in
    use comes first, the others by preference."""
    must_encrypt: bool = False
    """Whether plain RTP is out of the question."""

    @property
    def family(self) -> str:
        """``IP4`` or ``IP6``."""
        return f"IP{ipaddress.ip_address(self.address).version}"


@attrs.frozen
class Agreed:
    """What both sides agreed on."""

    remote: tuple[str, int]
    """Where the peer receives. The address is unspecified (``0.0.0.0``) if the peer holds us the old way."""
    codec: CodecOffer
    """The entry of `LocalMedia.codecs` that was chosen."""
    payload_type: int
    """The number that the peer expects the codec under."""
    telephone_event: int | None
    """The number that the peer expects events under, or None: not agreed."""
    send: bool
    """Whether we may send."""
    receive: bool
    """Whether the peer may send."""
    rtcp: tuple[str, int] | None
    """Where the peer receives RTCP; None: at `remote`, with RTP."""
    event_clock_hz: int | None = None
    """Rate in which events count their duration, if there are any."""
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    """What the peer's ``a=fmtp`` says of the codec; names in lower case."""
    comfort_noise: int | None = None
    """The number that the peer expects comfort noise under, or None: not agreed."""
    keys: Keys | None = None
    """For SRTP; None: plain RTP."""


def make_offer(local: LocalMedia, previous: Session | None = None) -> Session:
    """Describe what we would like: all codecs of `local`, in its order.

    `previous` is the description that we sent last in this dialog, as offer or answer. Then its origin is
    kept (the version counts on if anything changed), its payload types keep their meaning, and its other
    streams stay in their places, switched off (RFC 3264 section 8).
    """
    streams = previous.media if previous else ()
    at = _in_use(streams)
    before = streams[at] if at < len(streams) else None
    maps = _numbered(_wanted(local), before.rtpmaps() if before else {})
    cryptos = offer_crypto(local.keys)
    secure = local.must_encrypt or (before is not None and before.protocol == SECURE)
    audio = _audio(local, maps, local.direction, SECURE if secure else PLAIN, cryptos, mux=True)
    return _session(local, previous, [Line("t", "0 0")], _replaced(streams, at, audio))


def answer(offer: Session, local: LocalMedia, previous: Session | None = None) -> tuple[Session, Agreed]:
    """Answer an offer with the one codec that `local` likes best of those offered, under the offer's number.

    `previous` as in `make_offer`. Raises `NotAcceptable`.
    """
    at, remote, codec, maps = _choose(offer, local)
    media = offer.media[at]
    theirs = _peer_direction(offer, media, remote)
    agreed = _agreed(local, local.direction, theirs, remote, codec, maps, media)
    taken = _take_crypto(media, local)
    cryptos = [taken[0]] if taken else []
    agreed = attrs.evolve(agreed, keys=taken[1] if taken else None)
    numbers = (agreed.payload_type, agreed.telephone_event, agreed.comfort_noise)
    used = [item for item in maps if item.payload_type in numbers]
    direction = Direction.of(send=agreed.send, receive=agreed.receive)
    audio = _audio(local, used, direction, media.protocol, cryptos, mux=agreed.rtcp is None)
    times = [line for line in offer.lines if line.type == "t"] or [Line("t", "0 0")]
    return _session(local, previous, times, _replaced(offer.media, at, audio)), agreed


def accept_answer(offer: Session, answer: Session, local: LocalMedia) -> Agreed:
    """Read the answer to our `offer`, which was made from `local`. Raises `NotAcceptable`.

    If the answer lists several codecs, the first is taken: it is the one that the peer prefers.
    """
    at = _in_use(offer.media)
    if len(answer.media) != len(offer.media):
        raise NotAcceptable(399, f"{len(offer.media)} streams were offered, {len(answer.media)} answered")
    media = answer.media[at]
    if media.kind != "audio" or not media.port:
        raise NotAcceptable(304, "the audio stream was rejected")
    asked = offer.media[at]
    if media.protocol != asked.protocol:
        raise NotAcceptable(302, f"{asked.protocol} was offered, {media.protocol} answered")
    maps = _usable(media, asked.rtpmaps())
    remote = _remote(answer, media, local)
    offered = {codec.key: codec for codec in local.codecs}
    codec = next((offered[item.key] for item in maps if item.key in offered), None)
    if codec is None:
        raise NotAcceptable(305, f"no codec of the offer was answered: {_names(maps)}")
    ours = offer.direction(asked)
    theirs = _peer_direction(answer, media, remote)
    agreed = _agreed(local, ours, theirs, remote, codec, maps, media)
    must = asked.protocol == SECURE
    return attrs.evolve(agreed, keys=accept_crypto(asked.cryptos, media.cryptos, local.keys, must=must))


def _in_use(streams: Sequence[Media]) -> int:
    """Index of the stream that carries our audio; one past the end if there is none."""
    return next((at for at, media in enumerate(streams) if media.port), len(streams))


def _replaced(streams: Sequence[Media], at: int, audio: Media) -> list[Media]:
    """The streams with ours at its place and all others rejected (RFC 3264 section 6)."""
    media = [attrs.evolve(item, port=0, lines=(), port_count=1) for item in streams]
    media[at : at + 1] = [audio]
    return media


def _choose(offer: Session, local: LocalMedia) -> tuple[int, tuple[str, int], CodecOffer, list[RtpMap]]:
    """The first offered stream that we can take."""
    refusals = []
    for at, media in enumerate(offer.media):
        if media.kind == "audio" and media.port:
            try:
                maps = _usable(media, {})
                _take_crypto(media, local)
                return at, _remote(offer, media, local), _preferred(local, maps), maps
            except NotAcceptable as refusal:
                refusals.append(refusal)
    raise refusals[0] if refusals else NotAcceptable(304, "no audio stream was offered")


def _usable(media: Media, defaults: Mapping[int, RtpMap]) -> list[RtpMap]:
    """What the formats of a stream mean, in their order, if we can use the stream at all."""
    if media.protocol not in (PLAIN, SECURE):
        raise NotAcceptable(302, f"audio must be {PLAIN} or {SECURE}, not {media.protocol}")
    for value in media.attributes("maxptime"):
        if is_number(value) and int(value) < PTIME_MS:
            raise NotAcceptable(305, f"maxptime {value} is less than {PTIME_MS} ms")
    meanings = {**STATIC, **defaults, **media.rtpmaps()}
    return [meanings[int(item)] for item in media.formats if is_number(item) and int(item) in meanings]


def _take_crypto(media: Media, local: LocalMedia) -> tuple[Crypto, Keys] | None:
    """How an offered stream is to be encrypted, if it is."""
    if media.protocol == SECURE and not local.keys:
        raise NotAcceptable(302, f"audio must be {PLAIN}, not {SECURE}")
    must = local.must_encrypt or media.protocol == SECURE
    return answer_crypto(media.cryptos, local.keys, must=must)


def _preferred(local: LocalMedia, maps: Sequence[RtpMap]) -> CodecOffer:
    keys = {item.key for item in maps}
    codec = next((codec for codec in local.codecs if codec.key in keys), None)
    if codec is None:
        raise NotAcceptable(305, f"no codec in common: {_names(maps)} offered")
    return codec


def _names(maps: Iterable[RtpMap]) -> str:
    return ", ".join(f"{item.encoding}/{item.clock_hz}" for item in maps) or "nothing known"


def _remote(session: Session, media: Media, local: LocalMedia) -> tuple[str, int]:
    connection = media.connection or session.connection
    if connection is None:
        raise NotAcceptable(301, "the audio stream has no address")
    try:
        address = ipaddress.ip_address(connection.address)
    except ValueError as error:
        raise NotAcceptable(301, f"not an IP address: {connection.address}") from error
    if address.is_multicast:
        raise NotAcceptable(301, f"a call is with one peer, not with {address}")
    if local.family != f"IP{address.version}":
        raise NotAcceptable(301, f"{local.family} is needed, not {connection.family}")
    return str(address), media.port


def _rtcp(media: Media, remote: tuple[str, int]) -> tuple[str, int] | None:
    """Where the peer receives RTCP: with RTP, where it says, or one port above (RFC 3550 section 11).

    An address that is no IP address of the stream's family is not used, only the port beside it.
    """
    host, port = remote
    stated = media.rtcp
    if media.rtcp_mux:
        return None
    if stated is None or not stated.port:
        return host, min(port + 1, 65_535)
    try:
        address = ipaddress.ip_address(stated.connection.address if stated.connection else host)
    except ValueError:
        return host, stated.port
    same_family = address.version == ipaddress.ip_address(host).version
    return (str(address) if same_family else host), stated.port


def _peer_direction(session: Session, media: Media, remote: tuple[str, int]) -> Direction:
    """The direction that the peer states; an unspecified address does not receive."""
    stated = session.direction(media)
    held = ipaddress.ip_address(remote[0]).is_unspecified
    return Direction.of(send=stated.send, receive=stated.receive and not held)


def _agreed(
    local: LocalMedia,
    ours: Direction,
    theirs: Direction,
    remote: tuple[str, int],
    codec: CodecOffer,
    maps: Sequence[RtpMap],
    media: Media,
) -> Agreed:
    event = _events(codec, maps) if local.telephone_event else None
    payload_type = next(item.payload_type for item in maps if item.key == codec.key)
    return Agreed(
        remote,
        codec,
        payload_type,
        event.payload_type if event else None,
        send=ours.send and theirs.receive,
        receive=ours.receive and theirs.send,
        rtcp=_rtcp(media, remote),
        event_clock_hz=event.clock_hz if event else None,
        parameters=_parameters(media, payload_type),
        comfort_noise=_noise(codec, maps) if local.comfort_noise else None,
    )


def _parameters(media: Media, payload_type: int) -> dict[str, str]:
    """Format parameters, written as ``name=value;name=value``; anything else says nothing to us."""
    parameters = {}
    for value in media.attributes("fmtp"):
        number, _, text = value.partition(" ")
        if number == str(payload_type):
            pairs = (item.partition("=") for item in text.split(";"))
            parameters.update({name.strip().lower(): value.strip() for name, _, value in pairs})
    return parameters


def _noise(codec: CodecOffer, maps: Sequence[RtpMap]) -> int | None:
    """The number of comfort noise for a codec, which has to have its clock."""
    fits = codec.clock_hz == COMFORT_NOISE.clock_hz
    return next((item.payload_type for item in maps if fits and item.key == COMFORT_NOISE.key), None)


def _events(codec: CodecOffer, maps: Sequence[RtpMap]) -> RtpMap | None:
    """The mapping of telephone events to be used: at the codec's clock if it is there.

    Many a phone knows them at 8000 Hz only, whatever it speaks.
    """
    known = [item for item in maps if item.key[0] == TELEPHONE_EVENT]
    usable = [item for item in known if item.clock_hz in EVENT_PAYLOAD_TYPES and item.channels == 1]
    return min(usable, key=lambda item: item.clock_hz != codec.clock_hz, default=None)


def _wanted(local: LocalMedia) -> list[RtpMap]:
    """All mappings of an offer of ours, with the numbers that we like best."""
    codecs = [RtpMap(c.payload_type, c.encoding, c.clock_hz, c.channels) for c in local.codecs]
    clocks = dict.fromkeys([*(c.clock_hz for c in local.codecs), 8000]) if local.telephone_event else {}
    if local.comfort_noise and any(c.clock_hz == COMFORT_NOISE.clock_hz for c in local.codecs):
        codecs.append(COMFORT_NOISE)
    return codecs + [RtpMap(EVENT_PAYLOAD_TYPES[hz], TELEPHONE_EVENT, hz) for hz in clocks]


def _numbered(wanted: Sequence[RtpMap], known: Mapping[int, RtpMap]) -> list[RtpMap]:
    """Give every mapping the number it had, or one that had no other meaning (RFC 3264 section 8.3.2)."""
    numbers = {item.key: number for number, item in known.items()}
    taken = {*known, *(item.payload_type for item in wanted)}
    free = (number for number in range(127, 95, -1) if number not in taken)
    return [
        attrs.evolve(item, payload_type=numbers[item.key])
        if item.key in numbers
        else (attrs.evolve(item, payload_type=next(free)) if item.payload_type in known else item)
        for item in wanted
    ]


def _audio(
    local: LocalMedia,
    maps: Sequence[RtpMap],
    direction: Direction,
    protocol: str,
    cryptos: Sequence[Crypto],
    *,
    mux: bool,
) -> Media:
    """Our media description."""
    fmtp = {codec.key: codec.fmtp for codec in local.codecs}
    attributes = []
    for item in maps:
        attributes.append(f"rtpmap:{item}")
        parameters = "0-15" if item.key[0] == TELEPHONE_EVENT else fmtp.get(item.key)
        if parameters:
            attributes.append(f"fmtp:{item.payload_type} {parameters}")
    attributes += [f"ptime:{PTIME_MS}", f"maxptime:{PTIME_MS}"]
    attributes += ["rtcp-mux", direction.value] if mux else [direction.value]
    attributes += [f"crypto:{crypto}" for crypto in cryptos]
    formats = tuple(str(item.payload_type) for item in maps)
    return Media("audio", local.port, protocol, formats, tuple(Line("a", value) for value in attributes))


def _session(
    local: LocalMedia, previous: Session | None, times: Sequence[Line], media: Sequence[Media]
) -> Session:
    """Our description, under the origin of the previous one if there is one (RFC 3264 section 8)."""
    connection = Line("c", str(Connection(local.family, local.address)))
    origin = Origin("-", local.session_id, local.session_version, local.family, local.address)
    session = Session(origin, (Line("s", "-"), connection, *times), tuple(media))
    if previous is None:
        return session
    same = attrs.evolve(session, origin=previous.origin)
    if same == previous:
        return previous
    return attrs.evolve(same, origin=attrs.evolve(previous.origin, version=previous.origin.version + 1))
