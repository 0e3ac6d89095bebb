"""Typed values of header fields: name-addr, Via and CSeq (RFC 3261 section 20)."""

from __future__ import annotations

import re

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import (
    LWS,
    Params,
    decimal,
    end_of_quoted,
    find_param,
    format_host_port,
    format_params,
    is_token,
    parse_host_port,
    parse_params,
    quote,
    replace_param,
    split_word,
    unquote,
)
from clutch.wire.sip.uri import Uri

MAX_CSEQ = 2**31 - 1
"""Largest sequence number (RFC 3261 section 8.1.1.5)."""

_FORM = re.compile(r'["<;]')
_NOT_IN_DISPLAY = re.compile(r"[\x00-\x08\x0a-\x1f\x7f>,:\\]")


@attrs.frozen
class NameAddr:
    """An address with its header parameters: From, To, Contact, Route, Record-Route, Refer-To and more."""

    display: str | None
    """Display name without quotes and escapes; None if there is none."""
    uri: Uri
    params: Params = ()
    """Parameters of the header field, not of the URI."""

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Read ``name-addr`` or ``addr-spec`` with parameters. Raises SipParseError(400).

        Without angle brackets all parameters belong to the header field, and the URI may hold no ``?`` and no
        comma (section 20.10). A display name of more than tokens is taken without quotes as long as no
        character in it could mean anything else; it is written back quoted.
        """
        text = text.strip(LWS)
        form = _FORM.search(text)
        if form is None or form[0] == ";":
            return cls._bare(text)
        if form[0] == "<":
            start, display = form.start(), _check_display(text[: form.start()].rstrip(LWS))
        else:
            end = end_of_quoted(text, form.start())
            start, display = text.find("<", end), unquote(text[form.start() : end])
            if form.start() or text[end:start].strip(LWS):
                raise SipParseError(400, "text around a quoted display name")
        end = text.find(">", start)
        if start < 0 or end < 0:
            raise SipParseError(400, "address without <...>")
        return cls(display, Uri.parse(text[start + 1 : end]), parse_params(text[end + 1 :].lstrip(LWS)))

    @classmethod
    def _bare(cls, text: str) -> NameAddr:
        address, semicolon, params = text.partition(";")
        if "?" in address or "," in address:
            raise SipParseError(400, "URI with ? or comma outside <...>")
        return cls(None, Uri.parse(address.rstrip(LWS)), parse_params(semicolon + params))

    def __str__(self) -> str:
        display = "" if self.display is None else quote(self.display) + " "
        return f"{display}<{self.uri}>{format_params(self.params)}"

    @property
    def tag(self) -> str | None:
        """The dialog tag, None if absent."""
        return self.param("tag")

    def with_tag(self, tag: str) -> NameAddr:
        """The same address with this tag, in place of one that it may have."""
        return attrs.evolve(self, params=replace_param(self.params, "tag", tag))

    def param(self, name: str) -> str | None:
        """Unquoted value of a header parameter; "" if it has none, None if it is absent."""
        return find_param(self.params, name)

    def has_param(self, name: str) -> bool:
        """True if the header parameter is there, with or without a value."""
        return self.param(name) is not None


def _check_display(text: str) -> str | None:
    if _NOT_IN_DISPLAY.search(text):
        raise SipParseError(400, "display name needs quotes")
    return text or None


@attrs.frozen
class Via:
    """One hop of the response path (RFC 3261 section 20.42)."""

    protocol: str
    """``SIP/2.0``, or whatever the peer claims."""
    transport: str
    """Upper case: UDP, TCP, TLS, WS, ..."""
    host: str
    """Sent-by host, IPv6 without brackets."""
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one ``via-parm``; white space is allowed around each slash and colon. SipParseError(400)."""
        where, semicolon, params = text.partition(";")
        name, _, rest = where.partition("/")
        version, _, rest = rest.partition("/")
        name, version = name.strip(LWS), version.strip(LWS)
        transport, sent_by = split_word(rest)
        if not (is_token(name) and is_token(version) and is_token(transport)):
            raise SipParseError(400, "no protocol/version/transport")
        host, port = parse_host_port(sent_by)
        return cls(f"{name}/{version}", transport.upper(), host, port, parse_params(semicolon + params))

    def __str__(self) -> str:
        where = format_host_port(self.host, self.port)
        return f"{self.protocol}/{self.transport} {where}{format_params(self.params)}"

    @property
    def branch(self) -> str | None:
        """The transaction's name, None if absent (RFC 2543 peers)."""
        return self.param("branch")

    @property
    def received(self) -> str | None:
        """Source address as the next hop saw it, IPv6 without brackets (RFC 5118 section 4.5)."""
        value = self.param("received")
        return value and value.removeprefix("[").removesuffix("]")

    @property
    def rport(self) -> int | None:
        """Source port as the next hop saw it (RFC 3581); None if absent, without a value or no port number.

        `has_param` tells an empty ``rport`` (asking for symmetric response routing) from an absent one.
        """
        value = self.param("rport")
        return decimal(value, 65535, "rport") if value else None

    def param(self, name: str) -> str | None:
        """Unquoted value of a parameter; "" if it has none, None if it is absent."""
        return find_param(self.params, name)

    def has_param(self, name: str) -> bool:
        """True if the parameter is there, with or without a value."""
        return self.param(name) is not None

    def with_param(self, name: str, value: str | None) -> Via:
        """The same Via with a parameter set in its place, or appended."""
        return attrs.evolve(self, params=replace_param(self.params, name, value))


@attrs.frozen
class CSeq:
    """Sequence number and method of a request (RFC 3261 section 20.16)."""

    number: int
    """0 to `MAX_CSEQ`."""
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Read ``number LWS method``. Raises SipParseError(400)."""
        number, method = split_word(text)
        if not is_token(method):
            raise SipParseError(400, "no method")
        return cls(decimal(number, MAX_CSEQ, "sequence number"), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
