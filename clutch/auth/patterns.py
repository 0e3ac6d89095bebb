"""Patterns of MoQT namespaces."""

from __future__ import annotations

from itertools import zip_longest

import attrs

from clutch.auth.errors import BadPattern

MAX_FIELDS = 32
"""A MoQT namespace has no more."""
_ANY, _REST = "*", "**"


@attrs.frozen
class Pattern:
    """Fields between slashes: ``*`` is any one field, ``**`` at the end any number of them or none.

    All others are literal, in UTF-8. So ``voice/*/uplink`` is what every caller says, ``voice/ab12/**`` all
    of one call, ``**`` everything. A field with a slash in it is met by ``*`` and ``**`` only.
    """

    fields: tuple[bytes | None, ...]
    """None for ``*``."""
    open_ended: bool
    """Whether ``**`` follows."""

    @staticmethod
    def parse(text: str) -> Pattern:
        """Read a pattern. Raises `BadPattern`."""
        parts = text.split("/")
        open_ended = parts[-1] == _REST
        if open_ended:
            del parts[-1]
        if len(parts) > MAX_FIELDS:
            raise BadPattern(f"has more than {MAX_FIELDS} fields")
        for part in parts:
            if not part:
                raise BadPattern("has an empty field")
            if part == _REST:
                raise BadPattern("has ** before its end")
            if _ANY in part and part != _ANY:
                raise BadPattern("has * within a field; it stands for a whole one")
        try:
            return Pattern(tuple(None if part == _ANY else part.encode() for part in parts), open_ended)
        except UnicodeEncodeError:
            raise BadPattern("has half a surrogate pair") from None

    def __str__(self) -> str:
        known = [_ANY if field is None else field.decode() for field in self.fields]
        return "/".join([*known, _REST] if self.open_ended else known)

    def matches(self, namespace: tuple[bytes, ...]) -> bool:
        """Whether it is about this namespace."""
        return len(namespace) >= len(self.fields) and self.overlaps(namespace)

    def overlaps(self, prefix: tuple[bytes, ...]) -> bool:
        """Whether it is about this namespace or one below it: about something with this prefix."""
        if len(prefix) > len(self.fields) and not self.open_ended:
            return False
        pairs = zip_longest(self.fields[: len(prefix)], prefix)
        return all(field is None or field == given for field, given in pairs)
