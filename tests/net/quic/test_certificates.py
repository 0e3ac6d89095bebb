"""Certificates: self-made ones in time, files when they change."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from clutch.net.quic.certificates import CertificateFiles, SelfSigned, self_signed
from clutch.net.quic.errors import CertificateUnusable
from tests.net.quic.pem import write

START = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)


def test_a_self_made_certificate_is_what_browsers_take_by_hash() -> None:
    made = self_signed(["relay.example", "192.0.2.1"], START)
    (certificate,) = made.chain
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < datetime.timedelta(days=14)
    assert certificate.not_valid_before_utc < START
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["relay.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert len(made.fingerprint) == 32


def test_a_self_made_certificate_is_replaced_in_time() -> None:
    now = START
    certificates = SelfSigned(clock=lambda: now)
    first = certificates.current()
    now = START + datetime.timedelta(days=9)
    assert certificates.current() is first
    now = START + datetime.timedelta(days=11)
    assert certificates.current().fingerprint != first.fingerprint


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    first, second = self_signed(["a"], START), self_signed(["bb"], START)
    certificates = CertificateFiles(*write(first, tmp_path))
    assert certificates.current().fingerprint == first.fingerprint
    assert certificates.current() is certificates.current()
    write(second, tmp_path)
    assert certificates.current().fingerprint == second.fingerprint


def test_the_last_good_certificate_stays(tmp_path: Path) -> None:
    first, second = self_signed(["a"], START), self_signed(["bb"], START)
    chain, key = write(first, tmp_path)
    certificates = CertificateFiles(chain, key)
    old_key = key.read_bytes()
    write(second, tmp_path)
    key.write_bytes(old_key)  # as between the two steps of a renewal
    assert certificates.current().fingerprint == first.fingerprint
    chain.unlink()
    assert certificates.current().fingerprint == first.fingerprint
    write(second, tmp_path)
    assert certificates.current().fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [("cert.pem", "cannot use the certificate .*cert.pem"), ("key.pem", "cannot use the key .*key.pem")],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, wrong: str, complaint: str) -> None:
    paths = write(self_signed(["a"], START), tmp_path)
    (tmp_path / wrong).write_text("nothing of that kind")
    with pytest.raises(CertificateUnusable, match=complaint):
        CertificateFiles(*paths)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    chain, key = write(self_signed(["a"], START), tmp_path)
    good = chain.read_bytes()
    write(self_signed(["b"], START), tmp_path)
    chain.write_bytes(good)
    with pytest.raises(CertificateUnusable, match="is not the one of the certificate"):
        CertificateFiles(chain, key)
