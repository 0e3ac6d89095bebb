"""The authorization tokens that a peer has registered (draft 18 section 10.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import RemoteProtocolError, violation
from clutch.wire.moqt.parameters import AliasType, Token

ENTRY_BYTES = 16
"""What a registered token counts besides its value."""


@attrs.define(eq=False)
class TokenCache:
    """Tokens by alias, within the bytes that MAX_AUTH_TOKEN_CACHE_SIZE has promised."""

    limit: int
    size: int = attrs.field(init=False, default=0)
    _tokens: dict[int, Token] = attrs.field(init=False, factory=dict, repr=False)

    def resolve(self, tokens: Iterable[Token], *, setup: bool = False) -> tuple[Token, ...]:
        """Do what the tokens of a message say; those that it uses, by value.

        Raises RemoteProtocolError. In SETUP a token that does not fit is used and not registered.
        """
        used = []
        for token in tokens:
            if setup and token.alias_type in (AliasType.DELETE, AliasType.USE_ALIAS):
                raise violation(f"a token of {token.alias_type.name} in SETUP")
            match token.alias_type:
                case AliasType.USE_VALUE:
                    used.append(token)
                case AliasType.REGISTER:
                    used.append(self._register(token, setup))
                case AliasType.USE_ALIAS:
                    used.append(self._known(token))
                case AliasType.DELETE:
                    self.size -= _size(self._known(token))
                    del self._tokens[token.alias or 0]
        return tuple(used)

    def _register(self, token: Token, setup: bool) -> Token:
        used = Token.of(token.value or b"", type=token.type or 0)
        alias = token.alias or 0
        if alias in self._tokens:
            raise RemoteProtocolError(
                SessionError.DUPLICATE_AUTH_TOKEN_ALIAS, f"token alias {alias} is registered"
            )
        if self.size + _size(used) > self.limit:
            if setup:
                return used
            raise RemoteProtocolError(
                SessionError.AUTH_TOKEN_CACHE_OVERFLOW, f"more than {self.limit} bytes of tokens"
            )
        self.size += _size(used)
        self._tokens[alias] = used
        return used

    def _known(self, token: Token) -> Token:
        known = self._tokens.get(token.alias or 0)
        if known is None:
            raise RemoteProtocolError(
                SessionError.UNKNOWN_AUTH_TOKEN_ALIAS, f"token alias {token.alias} is not registered"
            )
        return known


def _size(token: Token) -> int:
    return ENTRY_BYTES + len(token.value or b"")
