"""How one packet is protected under session keys, and how these come from the master key.

A packet is four parts: what stays readable (`clear`), what is encrypted (`secret`), what is sent readable
behind it (`sent`: the index of SRTCP), and what is authenticated but not sent (`implied`: the rollover
counter of SRTP).
"""

from __future__ import annotations

import hmac
from typing import Protocol

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from clutch.wire.srtp.errors import Unauthentic
from clutch.wire.srtp.suites import Suite

AUTH_KEY_BYTES = 20
_KDF_SALT_BYTES = 14


class Transform(Protocol):
    """One way to protect packets. `index` is the packet's, 48 bits; for SRTCP 31."""

    @property
    def behind_index(self) -> int:
        """Bytes that follow the index of SRTCP."""

    def protect(
        self, clear: bytes, secret: bytes, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """The protected packet."""

    def unprotect(
        self, packet: bytes, start: int, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """The packet without its protection; `start` is where the secret begins. Raises `Unauthentic`."""


def derive(master: bytes, salt: bytes, label: int, size: int) -> bytes:
    """A session key or salt (RFC 3711 section 4.3), derived once for all packets."""
    x = bytearray(salt.ljust(_KDF_SALT_BYTES, b"\0"))  # a salt of GCM: RFC 7714 section 11
    x[7] ^= label
    return _counter_mode(master, bytes(x), bytes(size))


def _counter_mode(key: bytes, start: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt, from the counter block that begins with `start` on (RFC 3711 section 4.1.1)."""
    return Cipher(AES(key), CTR(start + bytes(2))).encryptor().update(data)


def _start(salt: bytes, ssrc: int, index: int) -> bytes:
    """The salt with SSRC and index mixed in: of counter mode (RFC 3711 section 4.1.1), the nonce of GCM
    (RFC 7714 section 8.1)."""
    mixed = int.from_bytes(salt) ^ ssrc << 48 ^ index
    return mixed.to_bytes(len(salt))


@attrs.frozen
class CounterMode:
    """AES in counter mode, then a truncated HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2.1)."""

    _key: bytes = attrs.field(repr=False)
    _salt: bytes = attrs.field(repr=False)
    _auth_key: bytes = attrs.field(repr=False)
    _tag_bytes: int

    @property
    def behind_index(self) -> int:
        """See `Transform`."""
        return self._tag_bytes

    def protect(
        self, clear: bytes, secret: bytes, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """See `Transform`."""
        body = clear + _counter_mode(self._key, _start(self._salt, ssrc, index), secret) + sent
        return body + self._tag(body + implied)

    def unprotect(
        self, packet: bytes, start: int, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """See `Transform`."""
        body, tag = packet[: -self._tag_bytes], packet[-self._tag_bytes :]
        if not hmac.compare_digest(tag, self._tag(body + implied)):
            raise Unauthentic("the tag is wrong")
        secret = body[start : len(body) - len(sent)]
        return body[:start] + _counter_mode(self._key, _start(self._salt, ssrc, index), secret)

    def _tag(self, data: bytes) -> bytes:
        return hmac.digest(self._auth_key, data, "sha1")[: self._tag_bytes]


@attrs.frozen
class Gcm:
    """AES-GCM (RFC 7714 sections 8 and 9). The rollover counter is in the nonce, so nothing is implied."""

    _key: bytes = attrs.field(repr=False)
    _salt: bytes = attrs.field(repr=False)

    @property
    def behind_index(self) -> int:
        """See `Transform`."""
        return 0

    def protect(
        self, clear: bytes, secret: bytes, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """See `Transform`."""
        nonce = _start(self._salt, ssrc, index)
        return clear + AESGCM(self._key).encrypt(nonce, secret, clear + sent) + sent

    def unprotect(
        self, packet: bytes, start: int, ssrc: int, index: int, *, sent: bytes, implied: bytes
    ) -> bytes:
        """See `Transform`."""
        clear, secret = packet[:start], packet[start : len(packet) - len(sent)]
        try:
            nonce = _start(self._salt, ssrc, index)
            return clear + AESGCM(self._key).decrypt(nonce, secret, clear + sent)
        except InvalidTag as error:
            raise Unauthentic("the tag is wrong") from error


def make_transform(suite: Suite, material: bytes, *, report: bool) -> Transform:
    """The transform for SRTP, or for SRTCP, of a master key with its salt behind it."""
    master, salt = material[: suite.key_bytes], material[suite.key_bytes :]
    label = 3 if report else 0
    key = derive(master, salt, label, suite.key_bytes)
    session_salt = derive(master, salt, label + 2, suite.salt_bytes)
    if suite.aead:
        return Gcm(key, session_salt)
    tag_bytes = suite.report_tag_bytes if report else suite.tag_bytes
    return CounterMode(key, session_salt, derive(master, salt, label + 1, AUTH_KEY_BYTES), tag_bytes)
