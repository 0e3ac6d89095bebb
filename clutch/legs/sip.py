"""A leg that is signalled by SIP: one `SipSession` and the RTP stream that it describes.

The leg answers every change that the peer makes later (hold, resume, another address), so nobody above knows
of re-INVITE or SDP.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable

import attrs
import trio

from actors.call import Cause, LegEnded, Party, Reason
from clutch.legs.causes import cause_of_bye, cause_of_failure, cause_of_status, reasons_for
from clutch.legs.opus import OpusTerms
from clutch.media.errors import UnsupportedCodec, UnsupportedSuite
from clutch.media.params import Codec, RtpParams, SrtpKeys
from clutch.net.plane import RtpStream
from clutch.net.sip.events import (
    Acked,
    Answered,
    Bye,
    Cancelled,
    Failed,
    Offer,
    Rejected,
    Ringing,
    SessionEvent,
)
from clutch.net.sip.session import SipSession
from clutch.net.sip.state import SessionState
from clutch.wire.sdp.codecs import CODECS, COMFORT_NOISE
from clutch.wire.sdp.errors import NotAcceptable, SdpParseError
from clutch.wire.sdp.negotiate import Agreed, LocalMedia, accept_answer, answer, make_offer
from clutch.wire.sdp.session import Session
from clutch.wire.srtp.suites import SUITES

WARN_AGENT = "clutch"
"""Who signs a Warning header (RFC 3261 section 20.43)."""


@attrs.frozen
class Terms:
    """On what terms a leg takes media."""

    codecs: tuple[str, ...] = ("opus", "g722", "pcmu", "pcma", "l16/16000", "l16/8000")
    """Names of `CODECS`, by preference."""
    timeout_ms: int = 30_000
    """Silence from the network after which the call is ended; 0 never ends it."""
    address: str | None = None
    """The IP address that peers are told, where it is not the stream's own."""
    opus: OpusTerms = attrs.field(factory=OpusTerms)
    comfort_noise: bool = False
    """Send comfort noise for silence to a peer that knows it (RFC 3389), and let it do so."""
    suites: tuple[str, ...] = (
        "AEAD_AES_128_GCM",  # costs least
        "AES_CM_128_HMAC_SHA1_80",  # what everybody has
        "AEAD_AES_256_GCM",
        "AES_256_CM_HMAC_SHA1_80",
        "AES_CM_128_HMAC_SHA1_32",
    )
    """Names of `clutch.wire.srtp.SUITES` to encrypt with, by preference; none: never."""
    must_encrypt: bool = False
    """Whether plain RTP is out of the question."""

    def only(self, codecs: Iterable[str], suites: Iterable[str]) -> Terms:
        """These terms without the codecs and suites that a media plane does not have."""
        names, known = set(codecs), set(suites)
        return attrs.evolve(
            self,
            codecs=tuple(codec for codec in self.codecs if CODECS[codec].name in names),
            suites=tuple(suite for suite in self.suites if suite in known),
        )


def new_key(suite: str) -> bytes:
    """A master key of ours with its salt (RFC 4568 section 6.1)."""
    return secrets.token_bytes(SUITES[suite].material_bytes)


@attrs.define(eq=False)
class SipLeg:
    """A LegPort over SIP. Made by `inbound` or `outbound`."""

    _stream: RtpStream
    _terms: Terms
    _place: Callable[[bytes], SipSession] | None = None
    """Sends the INVITE with this offer; None on the answering side."""
    _session: SipSession | None = None
    _local: LocalMedia = attrs.field(init=False)
    _described: Session | None = None
    """The description that we sent last."""
    _params: RtpParams | None = None

    def __attrs_post_init__(self) -> None:
        host, port = self._stream.local
        opus = self._terms.opus.offer()
        codecs = [opus if name == "opus" else CODECS[name] for name in self._terms.codecs]
        self._local = LocalMedia(
            self._terms.address or host,
            port,
            codecs,
            secrets.randbits(62),
            comfort_noise=self._terms.comfort_noise,
            keys={suite: new_key(suite) for suite in self._terms.suites},
            must_encrypt=self._terms.must_encrypt,
        )

    @classmethod
    def inbound(cls, session: SipSession, stream: RtpStream, terms: Terms) -> SipLeg:
        """The leg of a call that came in."""
        return cls(stream, terms, session=session)

    @classmethod
    def outbound(cls, place: Callable[[bytes], SipSession], stream: RtpStream, terms: Terms) -> SipLeg:
        """The leg of a call to be placed: `place` sends the INVITE with an SDP offer."""
        return cls(stream, terms, place)

    @property
    def codec(self) -> str | None:
        """The codec in use, None before the answer."""
        return self._params.codec.name if self._params else None

    @property
    def suite(self) -> str | None:
        """The suite of SRTP in use; None: plain RTP."""
        return self._params.keys.suite if self._params and self._params.keys else None

    async def connect(self, ringing: Callable[[], None]) -> None:
        """See `LegPort.connect`. A description that we cannot use is answered with 400 or 488."""
        if self._place is not None:
            await self._dial(self._place, ringing)
        else:
            await self._answer(self._live)

    async def ended(self) -> Cause:
        """See `LegPort.ended`."""
        try:
            while True:
                match await self._next():
                    case Offer() as offer:
                        self._change(offer)
                    case Acked(body=body) if body:
                        self._accept(body)
        except LegEnded as end:
            return end.cause

    async def goodbye(self, cause: Cause) -> None:
        """See `LegPort.goodbye`."""
        self._leave(cause)
        if self._session is not None:
            await self._session.wait_terminated()

    def close(self) -> None:
        """See `LegPort.close`. A session that nobody said goodbye to gets a 503 or a BYE, unwaited for."""
        self._leave(Cause(Reason.DRAIN, Party.NODE))

    @property
    def _far(self) -> Party:
        """Who is at the other end of this leg."""
        return Party.CALLER if self._place is None else Party.CALLEE

    @property
    def _live(self) -> SipSession:
        assert self._session is not None
        return self._session

    async def _answer(self, session: SipSession) -> None:
        offer = session.invite.body
        try:
            reply = self._agree(offer) if offer else self._offer()
        except SdpParseError as error:
            session.reject(error.status, "Bad Session Description")
            raise LegEnded(self._unusable(error.status, error)) from error
        except NotAcceptable as error:
            session.reject(error.status, headers=[("Warning", error.warning(WARN_AGENT))])
            raise LegEnded(self._unusable(error.status, error)) from error
        session.ring()
        session.answer(reply)
        while session.over or not offer:
            match await self._next():
                case Acked(body=body):
                    self._accept(body)
                    return

    async def _dial(self, place: Callable[[bytes], SipSession], ringing: Callable[[], None]) -> None:
        self._session = place(self._offer())
        while True:
            match await self._next():
                case Ringing():
                    ringing()
                case Answered(body=body):
                    self._accept(body)
                    return

    async def _next(self) -> SessionEvent:
        """What happens next, unless that is the end. Raises `LegEnded` with its cause."""
        try:
            event = await self._live.next_event()
        except trio.EndOfChannel:
            raise LegEnded(Cause(Reason.NORMAL, Party.NODE)) from None
        match event:
            case Bye(reasons=reasons):
                raise LegEnded(cause_of_bye(reasons, self._far))
            case Cancelled():
                raise LegEnded(Cause(Reason.CANCELLED, self._far))
            case Rejected(status=status, reason=text, q850=q850):
                raise LegEnded(cause_of_status(status, text, q850, self._far))
            case Failed(kind=kind):
                raise LegEnded(cause_of_failure(kind, self._far))
        return event

    def _offer(self) -> bytes:
        self._described = make_offer(self._local, self._described)
        return self._described.to_bytes()

    def _agree(self, offer: bytes) -> bytes:
        """Answer an offer, and let the stream follow. Raises `SdpParseError` or `NotAcceptable`."""
        description, agreed = answer(Session.parse(offer), self._local, self._described)
        self._connect(agreed)
        self._described = description
        return description.to_bytes()

    def _accept(self, body: bytes) -> None:
        """Take the answer to our offer. Raises `LegEnded` if it is none: then there is no call to be had."""
        assert self._described is not None
        try:
            self._connect(accept_answer(self._described, Session.parse(body), self._local))
        except (SdpParseError, NotAcceptable) as error:
            raise LegEnded(self._unusable(488, error)) from error

    def _change(self, offer: Offer) -> None:
        """The peer changes the session."""
        try:
            reply = self._agree(offer.body) if offer.body else self._offer()
        except (SdpParseError, NotAcceptable) as error:
            offer.refuse(error.status)
        else:
            offer.accept(reply)

    def _connect(self, agreed: Agreed) -> None:
        remote, rtcp = agreed.remote, agreed.rtcp
        if self._params and ipaddress.ip_address(remote[0]).is_unspecified:
            remote, rtcp = self._params.remote, self._params.rtcp  # held the old way (RFC 3264 section 8.4)
        codec = agreed.codec
        rate_hz = codec.rate_hz or codec.clock_hz
        params = RtpParams(
            remote,
            Codec(codec.name, agreed.payload_type, rate_hz, codec.clock_hz),
            agreed.telephone_event,
            agreed.send,
            agreed.receive,
            self._terms.timeout_ms if agreed.send else 0,  # who holds us may be silent, whatever he said
            rtcp=rtcp,
            event_clock_hz=agreed.event_clock_hz,
            opus=self._terms.opus.options(agreed.parameters),
            dtx=agreed.comfort_noise is not None or self._terms.opus.sends_dtx(agreed.parameters),
            comfort_noise=agreed.comfort_noise or COMFORT_NOISE.payload_type,
            keys=SrtpKeys(agreed.keys.suite, agreed.keys.send, agreed.keys.receive) if agreed.keys else None,
        )
        try:
            self._stream.connect(params)
        except (UnsupportedCodec, UnsupportedSuite) as error:
            raise NotAcceptable(305, str(error)) from error
        self._params = params
        self._renew_keys()

    def _renew_keys(self) -> None:
        """Forget the keys of suites that are not in use, for a key is never taken up again: its packet index
        would begin anew. The one in use comes first in later offers."""
        used = self._params.keys if self._params else None
        keys = {used.suite: used.send} if used else {}
        keys |= {suite: new_key(suite) for suite in self._terms.suites if suite not in keys}
        self._local = attrs.evolve(self._local, keys=keys)

    def _leave(self, cause: Cause) -> None:
        session = self._session
        if session is None or session.over:
            return
        if session.state is SessionState.INCOMING:
            headers = [("Reason", str(reason)) for reason in reasons_for(cause)]
            session.reject(cause.sip if cause.sip >= 300 else 480, headers=headers)
        elif session.state is SessionState.CALLING:
            session.cancel()
        else:
            session.bye(reasons_for(cause))

    def _unusable(self, status: int, error: Exception) -> Cause:
        return Cause(Reason.NOT_ACCEPTABLE, Party.NODE, status, text=str(error))
