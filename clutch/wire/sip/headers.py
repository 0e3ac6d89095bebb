"""The header fields of a message: ordered, any case, compact forms expanded, comma lists split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import LWS, split_list

COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""One-letter names and what they stand for (IANA, SIP Header Fields)."""

MAX_VALUES = 256
"""Values in one comma list, over all its lines."""

COMMA_LISTS = frozenset(
    {
        "accept",
        "accept-contact",
        "accept-encoding",
        "accept-language",
        "accept-resource-priority",
        "alert-info",
        "allow",
        "allow-events",
        "call-info",
        "contact",
        "content-encoding",
        "content-language",
        "diversion",
        "error-info",
        "feature-caps",
        "geolocation",
        "history-info",
        "in-reply-to",
        "p-access-network-info",
        "p-asserted-identity",
        "p-associated-uri",
        "p-early-media",
        "p-media-authorization",
        "p-preferred-identity",
        "p-visited-network-id",
        "path",
        "permission-missing",
        "proxy-require",
        "reason",
        "record-route",
        "recv-info",
        "reject-contact",
        "remote-party-id",
        "request-disposition",
        "require",
        "resource-priority",
        "route",
        "security-client",
        "security-server",
        "security-verify",
        "service-route",
        "supported",
        "trigger-consent",
        "unsupported",
        "user-to-user",
        "via",
        "warning",
    }
)
"""Header fields whose value is a comma list, in lower case. In all others a comma is part of the value."""


class Headers:
    """Header fields in wire order.

    Names match in any case, and a compact name is the long one. Values hold no line break: folded lines have
    been joined. Equal if the same values stand under the same names, in any case, in the same order.
    """

    __slots__ = ("_fields",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str, str]] = [_field(name, value) for name, value in items]

    def get(self, name: str) -> str | None:
        """The first field value called `name`, as written (a comma list whole), or None."""
        key = _key(name)
        for field in self._fields:
            if field[0] == key:
                return field[2]
        return None

    def get_all(self, name: str) -> list[str]:
        """All values called `name`, in order; comma lists are split.

        Raises SipParseError: 400 if a list cannot be split, 513 if it is longer than `MAX_VALUES`.
        """
        key = _key(name)
        lines = [value for field, _, value in self._fields if field == key]
        if key not in COMMA_LISTS:
            return lines
        values = [value for line in lines if line for value in split_list(line, ",")]
        if len(values) > MAX_VALUES:
            raise SipParseError(513, f"more than {MAX_VALUES} values in one list")
        return values

    def count(self, name: str) -> int:
        """How many lines are called `name`."""
        key = _key(name)
        return [field[0] for field in self._fields].count(key)

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        self._fields.append(_field(name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a field before all others of its name; before everything if there are none."""
        field = _field(name, value)
        at = next((index for index, old in enumerate(self._fields) if old[0] == field[0]), 0)
        self._fields.insert(at, field)

    def set(self, name: str, value: str) -> None:
        """Replace all fields called `name` by one, in the place of the first; append if there are none."""
        field = _field(name, value)
        at = next((index for index, old in enumerate(self._fields) if old[0] == field[0]), len(self._fields))
        self._fields = [old for old in self._fields if old[0] != field[0]]
        self._fields.insert(at, field)

    def remove(self, name: str) -> None:
        """Drop all fields called `name`, if any."""
        key = _key(name)
        self._fields = [field for field in self._fields if field[0] != key]

    def remove_first(self, name: str) -> None:
        """Drop the first value called `name`, if any: of a comma list only its first element.

        Raises SipParseError(400) if the list cannot be split.
        """
        key = _key(name)
        for index, (field, shown, line) in enumerate(self._fields):
            if field == key:
                rest = split_list(line, ",")[1:] if key in COMMA_LISTS else []
                self._fields[index : index + 1] = [(key, shown, ", ".join(rest))] if rest else []
                return

    def items(self) -> Iterator[tuple[str, str]]:
        """Names (as written, compact ones expanded) and values, line by line."""
        return ((name, value) for _, name, value in self._fields)

    def copy(self) -> Headers:
        """An independent copy."""
        twin = Headers()
        twin._fields = self._fields.copy()
        return twin

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(key, value) for key, _, value in self._fields] == [
            (key, value) for key, _, value in other._fields
        ]

    def __repr__(self) -> str:
        return f"Headers({list(self.items())!r})"


def _field(name: str, value: str) -> tuple[str, str, str]:
    key = name.lower()
    if key in COMPACT_FORMS:
        name = COMPACT_FORMS[key]
        key = name.lower()
    return key, name, value.strip(LWS)


@lru_cache(maxsize=64)
def _key(name: str) -> str:
    """Of a name that our own code asks for: there are few."""
    key = name.lower()
    return COMPACT_FORMS[key].lower() if key in COMPACT_FORMS else key
