"""The head of a message: its start line and header lines (RFC 3261 section 7).

A head is always read to its end. What is wrong with it is kept beside what could be read, so that even a
broken request can be answered.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import LWS, decimal, is_token
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.uri import Uri

MAX_MESSAGE = 65_535
"""Bytes in a message, head and body, on any transport."""
MAX_HEADER_LINES = 256
"""Lines in a head, continuation lines included."""
MAX_URI = 4_096
"""Characters in a Request-URI."""
VERSION = "SIP/2.0"
"""The only version there is (section 7.1)."""


@attrs.frozen
class RequestLine:
    """``Method SP Request-URI SP SIP-Version``."""

    method: str
    uri: Uri


@attrs.frozen
class StatusLine:
    """``SIP-Version SP Status-Code SP Reason-Phrase``."""

    status: int
    reason: str


@attrs.frozen
class Head:
    """What stands before the blank line, as far as it could be read."""

    start: RequestLine | StatusLine | None
    """None if not even a method could be read. A URI that could not has the scheme ``invalid``."""
    headers: Headers
    """All header fields but Content-Length."""
    content_lengths: tuple[str, ...]
    """The values of Content-Length. It frames the message and says nothing more, so it stops here."""
    fault: SipParseError | None
    """The first thing that is wrong."""

    def content_length(self) -> int | None:
        """Length of the body in bytes, None if not given. Raises SipParseError(400)."""
        if not self.content_lengths:
            return None
        if len(self.content_lengths) > 1:
            raise SipParseError(400, "more than one Content-Length")
        return decimal(self.content_lengths[0], 2**32 - 1, "Content-Length")


def read_head(raw: bytes) -> Head:
    """Read a head, without the blank line that ends it. Never raises."""
    text = raw.decode("utf-8", "surrogateescape")
    faults: list[SipParseError] = []
    lines = text.split("\r\n", MAX_HEADER_LINES + 1)
    if len(lines) > MAX_HEADER_LINES + 1:
        faults.append(SipParseError(513, f"more than {MAX_HEADER_LINES} header lines"))
        lines.pop()
    if text.count("\r") + text.count("\n") != 2 * text.count("\r\n"):
        faults.append(SipParseError(400, "CR or LF outside CRLF"))
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    start = _read_start_line(lines[0], faults)
    headers = Headers(_read_fields(lines[1:], faults))
    lengths = tuple(headers.get_all("Content-Length"))
    headers.remove("Content-Length")
    return Head(start, headers, lengths, faults[0] if faults else None)


def _read_start_line(line: str, faults: list[SipParseError]) -> RequestLine | StatusLine | None:
    try:
        if line[:4].upper() == "SIP/":
            return _read_status_line(line)
        words = line.split(" ")
        if not is_token(words[0]):
            raise SipParseError(400, "start line without a method")
    except SipParseError as fault:
        faults.append(fault)
        return None
    try:
        return RequestLine(words[0], _read_uri(words))
    except SipParseError as fault:
        faults.append(fault)
        return RequestLine(words[0], Uri("invalid", opaque=line))


def _read_status_line(line: str) -> StatusLine:
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != VERSION:
        raise SipParseError(505, "version is not SIP/2.0")
    if len(code) != 3 or not 100 <= decimal(code, 999, "status code") <= 699:
        raise SipParseError(400, "status code is not from 100 to 699")
    return StatusLine(int(code), reason)


def _read_uri(words: list[str]) -> Uri:
    if len(words) != 3:
        raise SipParseError(400, "start line is not method, URI and version with one space between")
    _, uri, version = words
    if version.upper() != VERSION:
        known = version[:4].upper() == "SIP/"
        raise SipParseError(505 if known else 400, "version is not SIP/2.0")
    if len(uri) > MAX_URI:
        raise SipParseError(414, f"Request-URI is over {MAX_URI} characters")
    return Uri.parse(uri)


def _read_fields(lines: list[str], faults: list[SipParseError]) -> Iterator[tuple[str, str]]:
    for line in _unfold(lines):
        name, colon, value = line.partition(":")
        name = name.rstrip(LWS)
        if colon and is_token(name):
            yield name, value
        else:
            faults.append(SipParseError(400, "header line without a name and a colon"))


def _unfold(lines: list[str]) -> Iterator[str]:
    """Join continuation lines: a line break and the white space around it are one space (section 7.3.1)."""
    parts: list[str] = []
    for line in lines:
        if parts and line.startswith((" ", "\t")):
            parts.append(line.strip(LWS))
            continue
        if parts:
            yield " ".join(parts)
        parts = [line.rstrip(LWS)] if line else []
    if parts:
        yield " ".join(parts)
