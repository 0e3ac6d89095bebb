"""Certificates as files."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization

from clutch.net.quic.certificates import Certificate


def write(certificate: Certificate, folder: Path) -> tuple[Path, Path]:
    """As two PEM files."""
    chain, key = folder / "cert.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    chain.write_bytes(b"".join(one.public_bytes(pem) for one in certificate.chain))
    key.write_bytes(
        certificate.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, key
