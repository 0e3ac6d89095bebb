"""What the doctor says of builds and machines, real and made up."""

from __future__ import annotations

import pytest

import native
from clutch.node.doctor import Feature, Findings, State, available, features, probe

NAMES = ["native", "twin", "udp", "io_uring", "af_xdp", "opus", "srtp", "steering", "quic", "picoquic"]
AGREES = {"io_uring": "", "af_xdp": "", "steering": ""}
REFUSES = {
    "io_uring": "Function not implemented",
    "af_xdp": "Operation not permitted",
    "steering": "Operation not permitted",
}


def find(findings: Findings, name: str) -> Feature:
    """One feature."""
    return next(feature for feature in features(findings) if feature.name == name)


def test_without_the_native_plane_the_twin_does_what_it_can() -> None:
    findings = Findings(frozenset(), "not built (no gcc)", AGREES)
    assert available(findings) == ["twin", "udp", "srtp", "quic"]
    assert find(findings, "native").why == "not built (no gcc)"
    assert "native/build.py" in find(findings, "native").how
    assert "Python twin" in find(findings, "udp").why
    assert find(findings, "opus").state is State.NOT_BUILT


def test_a_native_plane_without_libraries() -> None:
    findings = Findings(frozenset({"udp"}), "", AGREES)
    assert available(findings) == ["native", "twin", "udp", "quic"]
    assert "libopus-dev" in find(findings, "opus").how
    assert "libsrtp2-dev" in find(findings, "srtp").how


def test_the_second_quic_engine() -> None:
    assert find(Findings(frozenset(), "no gcc", AGREES, ""), "picoquic").state is State.AVAILABLE
    missing = find(Findings(frozenset(), "no gcc", AGREES, "aiopquic is not installed"), "picoquic")
    assert missing.state is State.MISSING
    assert "clutch[fast]" in missing.how


@pytest.mark.parametrize("name", ["io_uring", "af_xdp"])
def test_a_backend_needs_the_build_and_the_kernel(name: str) -> None:
    built = frozenset({"udp", "opus", name})
    assert find(Findings(built, "", AGREES), name).state is State.AVAILABLE
    missing = find(Findings(built, "", REFUSES), name)
    assert missing.state is State.MISSING
    assert REFUSES[name] in missing.why
    assert find(Findings(frozenset({"udp"}), "", AGREES), name).state is State.NOT_BUILT


def test_steering_needs_the_build_and_capabilities() -> None:
    built = frozenset({"udp", "steering"})
    assert find(Findings(built, "", AGREES), "steering").state is State.AVAILABLE
    missing = find(Findings(built, "", REFUSES), "steering")
    assert missing.state is State.MISSING
    assert "CAP_BPF" in missing.how
    assert "libbpf-dev" in find(Findings(frozenset({"udp"}), "", AGREES), "steering").how


def test_what_is_not_available_says_why_and_how() -> None:
    for findings in (Findings(frozenset(), "no gcc", REFUSES), Findings(frozenset({"af_xdp"}), "", REFUSES)):
        for feature in features(findings):
            assert feature.why
            assert bool(feature.how) == (feature.state is not State.AVAILABLE), feature


def test_this_machine() -> None:
    findings = probe()
    assert [feature.name for feature in features(findings)] == NAMES
    assert ("native" in available(findings)) == native.available
    assert ("opus" in available(findings)) == ("opus" in native.features())
    assert ("srtp" in available(findings)) == (not native.available or "srtp" in native.features())
