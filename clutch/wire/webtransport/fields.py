"""The two structured fields of protocol negotiation (RFC 9651; draft-15, 3.3).

Only strings mean something, parameters mean nothing, and anything else makes the whole field count as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_STRING = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
_BARE_ITEM = "|".join(
    (
        r"@?-?[0-9]{1,15}(?![0-9.])",  # integer, date
        r"-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9])",
        _STRING,
        r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*",  # token
        r":[A-Za-z0-9+/=]*:",
        r"\?[01]",
        r'%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"',
    )
)
_PARAMETER = rf"; *[a-z*][a-z0-9_.*-]*(?:=(?:{_BARE_ITEM}))?"
_MEMBER = re.compile(rf"({_STRING})(?:{_PARAMETER})*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def parse_strings(field: str) -> tuple[str, ...] | None:
    """The members of a List of Strings; None if the field is to be ignored.

    Several header lines of one name are one field, joined with commas (RFC 9651 section 4.2).
    """
    field = field.strip(" ")
    found: list[str] = []
    at = 0
    while at < len(field):
        member = _MEMBER.match(field, at)
        if member is None:
            return None
        found.append(_unquote(member[1]))
        at = member.end()
        if at < len(field):
            comma = _COMMA.match(field, at)
            if comma is None or comma.end() == len(field):
                return None
            at = comma.end()
    return tuple(found)


def parse_string(field: str) -> str | None:
    """The String of an Item; None if the field is to be ignored."""
    member = _MEMBER.fullmatch(field.strip(" "))
    return None if member is None else _unquote(member[1])


def serialise_strings(values: Iterable[str]) -> str:
    """A List of Strings; of one value it is an Item as well. ValueError outside of printable ASCII."""
    return ", ".join(map(_quote, values))


def _quote(value: str) -> str:
    if not (value.isascii() and (value.isprintable() or not value)):
        raise ValueError(f"{value!r} does not fit a structured field")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1])
