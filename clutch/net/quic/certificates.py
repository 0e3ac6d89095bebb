"""Certificates of QUIC servers: self-made ones for development, and files that may change while we run."""

from __future__ import annotations

import datetime
import hmac
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import attrs
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from clutch.net.quic.errors import CertificateUnusable

log = structlog.get_logger(__name__)

VALIDITY = datetime.timedelta(days=13)
"""Browsers take a certificate by its hash only if it is valid for less than 14 days."""
RENEWAL = datetime.timedelta(days=3)
"""A self-made certificate is replaced this long before it ends."""
_SKEW = datetime.timedelta(hours=1)
"""How far behind the clock of a client may be."""

Clock: TypeAlias = Callable[[], datetime.datetime]


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@attrs.frozen
class Certificate:
    """What a server shows, and the key that proves it."""

    chain: tuple[x509.Certificate, ...]
    """Its own first."""
    key: CertificateIssuerPrivateKeyTypes = attrs.field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate: what `serverCertificateHashes` of a browser asks for."""
        return self.chain[0].fingerprint(hashes.SHA256())


class Certificates(Protocol):
    """Where the certificate of each new connection comes from."""

    def current(self) -> Certificate:
        """The one to show now."""


@attrs.define(eq=False)
class SelfSigned:
    """`Certificates` for development: ECDSA P-256, valid for 13 days, a new one in time before it ends."""

    _names: Sequence[str] = ("localhost", "127.0.0.1", "::1")
    """Host names and IP addresses that it is for."""
    _clock: Clock = _utc
    _made: Certificate | None = attrs.field(init=False, default=None)

    def current(self) -> Certificate:
        """See `Certificates.current`."""
        now = self._clock()
        if self._made is None or self._made.chain[0].not_valid_after_utc - now < RENEWAL:
            self._made = self_signed(self._names, now)
        return self._made


@attrs.define(eq=False)
class CertificateFiles:
    """`Certificates` in PEM files, read again when they have changed.

    Raises `CertificateUnusable` if the first reading fails; a later failure is logged, and the last good one
    stays: tools replace two files one after the other.
    """

    _certificate: Path
    """The server's own certificate first, then those that lead to an authority."""
    _key: Path
    _seen: tuple[tuple[int, int, int], ...] | None = attrs.field(init=False)
    _current: Certificate = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = self._stamp()
        self._current = load(self._certificate, self._key)

    def current(self) -> Certificate:
        """See `Certificates.current`."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._seen:
            self._seen = stamp
            try:
                self._current = load(self._certificate, self._key)
            except CertificateUnusable as error:
                log.warning("the changed certificate cannot be used, the last one stays", error=str(error))
            else:
                log.info("certificate reloaded", fingerprint=self._current.fingerprint.hex())
        return self._current

    def _stamp(self) -> tuple[tuple[int, int, int], ...] | None:
        """What changes when one of the files does; None while one is away."""
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return None
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def self_signed(names: Sequence[str], now: datetime.datetime) -> Certificate:
    """A new ECDSA P-256 key, and a certificate of its own for these host names and IP addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = now - _SKEW
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Certificate((certificate,), key)


def load(certificate: Path, key: Path) -> Certificate:
    """Read a certificate with its chain, and its key. Raises `CertificateUnusable`, which names the file."""
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"cannot use the certificate {certificate}: {error}") from error
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateUnusable(f"cannot use the key {key}: {error}") from error
    if _spki(private.public_key()) != _spki(chain[0].public_key()):
        raise CertificateUnusable(f"the key {key} is not the one of the certificate {certificate}")
    return Certificate(tuple(chain), private)  # type: ignore[arg-type]  # its certificate could be signed


def derived_secret(key: CertificateIssuerPrivateKeyTypes, purpose: bytes) -> bytes:
    """32 bytes that only the holder of the key can know, and always the same."""
    secret = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return hmac.digest(secret, purpose, "sha256")


def _spki(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined,no-any-return]  # every public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
