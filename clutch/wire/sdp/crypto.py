"""Keys for SRTP in session descriptions (RFC 4568): one suite is agreed on, and each side says its own key.

A stream that must be encrypted has the protocol RTP/SAVP. Keys in a stream of RTP/AVP are an offer to encrypt
(RFC 8643): who answers without means plain RTP. A key with an MKI, or with a parameter that changes what is
protected or how, is not used.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

import attrs

from clutch.wire.sdp.errors import NotAcceptable
from clutch.wire.sdp.fields import number
from clutch.wire.srtp.suites import SUITES

PLAIN = "RTP/AVP"
SECURE = "RTP/SAVP"

MAX_OFFERED = 2
"""Suites that an offer of ours lists: with all, the INVITE would be too long for one datagram."""

_FORM = re.compile(r"(\S+)[ \t]+([A-Za-z0-9_]+)[ \t]+(\S+:\S+)((?:[ \t]+\S+)*)")
_INLINE = re.compile(r"inline:([A-Za-z0-9+/]+=*)(?:\|(?:2\^)?[0-9]+)?")
"""A master key with its salt, and perhaps how many packets it is for. An MKI would follow."""
_HINTS = ("-", "WSH=")
"""Beginnings of parameters that need not be obeyed (sections 6.3.7, 9.1)."""


@attrs.frozen
class Crypto:
    """The value of an ``a=crypto`` line (section 9.1)."""

    tag: int
    """Unique in its stream; an answer repeats that of the line it takes."""
    suite: str
    """As written, whether we know it or not."""
    key_params: str = attrs.field(repr=False)
    session_params: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Crypto:
        """Read the value of an ``a=crypto`` line. Raises ValueError with the rule that was broken."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError("a=crypto must be <tag> <crypto-suite> <key method>:<key> [parameters]")
        tag, suite, key_params, rest = form.groups()
        return cls(number(tag, 999_999_999, "the tag of a=crypto"), suite, key_params, tuple(rest.split()))

    @classmethod
    def inline(cls, tag: int, suite: str, material: bytes) -> Crypto:
        """A line of ours, for a master key with its salt behind it."""
        return cls(tag, suite, f"inline:{base64.b64encode(material).decode()}")

    @property
    def material(self) -> bytes | None:
        """The master key with its salt; None if it cannot be used as we would use it."""
        inline = _INLINE.fullmatch(self.key_params)
        if inline is None or self.suite not in SUITES or not all(map(_is_hint, self.session_params)):
            return None
        try:
            material = base64.b64decode(inline[1], validate=True)
        except binascii.Error:
            return None
        return material if len(material) == SUITES[self.suite].material_bytes else None

    def __str__(self) -> str:
        return " ".join([str(self.tag), self.suite, self.key_params, *self.session_params])


@attrs.frozen
class Keys:
    """What was agreed on."""

    suite: str
    send: bytes = attrs.field(repr=False)
    """Our master key with its salt behind it."""
    receive: bytes = attrs.field(repr=False)
    """The peer's."""


def offer_crypto(keys: Mapping[str, bytes]) -> list[Crypto]:
    """The lines of an offer: those of our keys that we like best."""
    lines = zip(range(1, MAX_OFFERED + 1), keys.items(), strict=False)
    return [Crypto.inline(tag, suite, material) for tag, (suite, material) in lines]


def answer_crypto(
    offered: Sequence[Crypto], keys: Mapping[str, bytes], *, must: bool
) -> tuple[Crypto, Keys] | None:
    """The offered line that is to be taken, as our answer to it, and what is agreed on then; None without.

    The first that we can use is the one that the peer likes best (section 5.1.2). Raises `NotAcceptable` if
    there is none and there `must` be.
    """
    for crypto in offered:
        theirs = crypto.material if crypto.suite in keys else None
        if theirs is not None:
            ours = keys[crypto.suite]
            return Crypto.inline(crypto.tag, crypto.suite, ours), Keys(crypto.suite, ours, theirs)
    if must:
        names = ", ".join(crypto.suite for crypto in offered) or "none"
        raise NotAcceptable(399, f"no key for SRTP that can be used; suites offered: {names}")
    return None


def accept_crypto(
    offered: Sequence[Crypto], answered: Sequence[Crypto], keys: Mapping[str, bytes], *, must: bool
) -> Keys | None:
    """What the answer to our lines means; None: no encryption.

    Raises `NotAcceptable` if the answer is none to our lines, or there is no key and there `must` be.
    """
    if not offered or not (answered or must):
        return None
    if len(answered) != 1:
        raise NotAcceptable(399, f"one key for SRTP must be answered, not {len(answered)}")
    (crypto,) = answered
    if (crypto.tag, crypto.suite) not in {(line.tag, line.suite) for line in offered}:
        raise NotAcceptable(399, f"{crypto.suite} was not offered under the tag {crypto.tag}")
    if crypto.material is None:
        raise NotAcceptable(399, f"the answered key cannot be used for {crypto.suite}")
    return Keys(crypto.suite, keys[crypto.suite], crypto.material)


def _is_hint(parameter: str) -> bool:
    return parameter.startswith(_HINTS)
