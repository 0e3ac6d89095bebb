"""Errors of authorization. No message, repr or argument of them holds a token or a key."""

from __future__ import annotations

from typing import Literal, TypeAlias

TokenFault: TypeAlias = Literal["malformed", "unauthorized", "expired"]
"""MALFORMED_AUTH_TOKEN, UNAUTHORIZED and EXPIRED_AUTH_TOKEN of MoQT."""


class TokenError(Exception):
    """A peer's token does not let it in."""

    def __init__(self, kind: TokenFault, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class BadPattern(ValueError):
    """A pattern of namespaces that breaks the grammar of `Pattern`."""


class BadKeys(ValueError):
    """A set of keys that cannot be used."""
