"""The header fields that every message has, parsed when they are asked for (RFC 3261 section 20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.fields import CSeq, NameAddr, Via
from clutch.wire.sip.grammar import LWS, decimal, remembering
from clutch.wire.sip.headers import Headers

MAX_EXPIRES = 2**32 - 1
"""Largest number of seconds in Expires (section 20.19)."""

T = TypeVar("T")

# The same few values stand in every message of a call and are asked for again and again.
_name_addr = remembering(NameAddr.parse)
_via = remembering(Via.parse)
_cseq = remembering(CSeq.parse)


class TypedFields:
    """What `Request` and `Response` share; a base class because both are messages to whoever reads them.

    No message keeps what was parsed: `headers` may change. Every property raises SipParseError(400), which
    names the field, if its value is bad, and, where its type has no None, if it is missing.
    """

    __slots__ = ()

    headers: Headers

    @property
    def vias(self) -> list[Via]:
        """All Via values, topmost first."""
        return self._all("Via", _via)

    @property
    def via(self) -> Via:
        """The topmost Via; those below it are not looked at."""
        values = self.headers.get_all("Via")
        return _read("Via", values[0] if values else None, _via)

    @property
    def from_(self) -> NameAddr:
        """From: the originator of the request."""
        return _read("From", self.headers.get("From"), _name_addr)

    @property
    def to(self) -> NameAddr:
        """To: the logical recipient of the request."""
        return _read("To", self.headers.get("To"), _name_addr)

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return _read("Call-ID", self.headers.get("Call-ID"), _call_id)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return _read("CSeq", self.headers.get("CSeq"), _cseq)

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact addresses; empty for ``Contact: *``."""
        return [] if self.contact_is_wildcard else self._all("Contact", _name_addr)

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact address."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def contact_is_wildcard(self) -> bool:
        """True for ``Contact: *``, which removes all bindings in a REGISTER (section 10.2.2)."""
        return self.headers.get("Contact") == "*" and self.headers.count("Contact") == 1

    @property
    def routes(self) -> list[NameAddr]:
        """All Route values, next hop first."""
        return self._all("Route", _name_addr)

    @property
    def record_routes(self) -> list[NameAddr]:
        """All Record-Route values, in wire order."""
        return self._all("Record-Route", _name_addr)

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255."""
        return self._optional("Max-Forwards", lambda text: decimal(text, 255, "value"))

    @property
    def expires(self) -> int | None:
        """Expires in seconds; a larger number than the field may hold counts as the largest."""
        return self._optional("Expires", _seconds)

    @property
    def content_type(self) -> str | None:
        """Media type of the body in lower case, without its parameters."""
        return self._optional("Content-Type", _media_type)

    def _all(self, name: str, parse: Callable[[str], T]) -> list[T]:
        try:
            return [parse(value) for value in self.headers.get_all(name)]
        except SipParseError as error:
            raise SipParseError(error.status, f"{name}: {error.reason}") from error

    def _optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        value = self.headers.get(name)
        return None if value is None else _read(name, value, parse)


def _read(name: str, value: str | None, parse: Callable[[str], T]) -> T:
    if value is None:
        raise SipParseError(400, f"{name} is missing")
    try:
        return parse(value)
    except SipParseError as error:
        raise SipParseError(error.status, f"{name}: {error.reason}") from error


def _call_id(text: str) -> str:
    if not text or " " in text or "\t" in text:
        raise SipParseError(400, "not one word")
    return text


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SipParseError(400, "not a number")
    return decimal(text, MAX_EXPIRES, "value") if len(text) <= 10 else MAX_EXPIRES


def _media_type(text: str) -> str:
    kind, slash, subtype = text.partition(";")[0].lower().partition("/")
    if not slash:
        raise SipParseError(400, "not a media type")
    return f"{kind.strip(LWS)}/{subtype.strip(LWS)}"
