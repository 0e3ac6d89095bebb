"""The certificate that the relay shows."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from clutch.net.quic.certificates import CertificateFiles
from clutch.node.certificates import KeptCertificate, make_certificates
from clutch.node.config import Config, MoqtConfig, NodeConfig
from clutch.node.errors import NodeError

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "certificate.pem"
    with capture_logs() as lines:
        made = KeptCertificate(path, clock=lambda: NOW).current()
        kept = KeptCertificate(path, clock=lambda: NOW + timedelta(days=9)).current()
    assert made.fingerprint == kept.fingerprint
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(line["event"], line["sha256"]) for line in lines] == [
        ("moqt.certificate_made", made.fingerprint.hex())
    ]


def test_it_is_replaced_in_time(tmp_path: Path) -> None:
    now = NOW
    path = tmp_path / "certificate.pem"
    certificates = KeptCertificate(path, clock=lambda: now)
    first = certificates.current()
    assert first.chain[0].not_valid_after_utc - first.chain[0].not_valid_before_utc < timedelta(days=14)
    now += timedelta(days=11)
    second = certificates.current()
    assert second is certificates.current()
    assert second.fingerprint != first.fingerprint
    assert KeptCertificate(path, clock=lambda: now).current().fingerprint == second.fingerprint


@pytest.mark.parametrize("damage", [b"", b"\xff", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_one_is_replaced(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "certificate.pem"
    KeptCertificate(path, clock=lambda: NOW).current()
    path.write_bytes(damage)
    made = KeptCertificate(path, clock=lambda: NOW).current()
    assert KeptCertificate(path, clock=lambda: NOW).current().fingerprint == made.fingerprint


def test_one_for_other_names_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    here = KeptCertificate(path, clock=lambda: NOW).current()
    there = KeptCertificate(path, ["localhost", "192.0.2.1"], clock=lambda: NOW).current()
    assert here.fingerprint != there.fingerprint


def test_one_that_cannot_be_kept_is_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    certificates = KeptCertificate(tmp_path / "file" / "certificate.pem", clock=lambda: NOW)
    with capture_logs() as lines:
        assert certificates.current() is certificates.current()
    assert [line["event"] for line in lines] == ["moqt.certificate_not_kept", "moqt.certificate_made"]


def test_files_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    kept = KeptCertificate(path).current()
    config = Config(NodeConfig(tmp_path), moqt=MoqtConfig(certificate=path, key=path))
    certificates = make_certificates(config)
    assert isinstance(certificates, CertificateFiles)
    assert certificates.current().fingerprint == kept.fingerprint
    path.unlink()
    with pytest.raises(
        NodeError, match=r"^moqt: cannot use the certificate .*; look at moqt\.certificate and"
    ):
        make_certificates(config)


@pytest.mark.parametrize(
    ("host", "more"), [("127.0.0.1", []), ("0.0.0.0", []), ("::", []), ("192.0.2.1", ["192.0.2.1"])]
)
def test_the_names_it_is_for(tmp_path: Path, host: str, more: list[str]) -> None:
    certificates = make_certificates(Config(NodeConfig(tmp_path), moqt=MoqtConfig(host=host)))
    assert isinstance(certificates, KeptCertificate)
    assert list(certificates._names) == ["localhost", "127.0.0.1", "::1", *more]
