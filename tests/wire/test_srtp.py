"""SRTP against the vectors of its RFCs, and its windows."""

from __future__ import annotations

import random

import pytest

import native
from clutch.wire.errors import MalformedPacket
from clutch.wire.rtp import RtpPacket
from clutch.wire.srtp import MAX_SOURCES, SUITES, WINDOW, Replayed, SrtpContext, Unauthentic
from clutch.wire.srtp.context import Window
from clutch.wire.srtp.transforms import CounterMode, Gcm, derive

KEY_128 = bytes(range(16))
KEY_256 = bytes(range(32))
SALT = b"Quid pro quo"
RTP = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
SRTP_128 = (
    "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b"
    "36de3adf8833899d7f27beb16a9152cf765ee4390cce"
)
SRTP_256 = (
    "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f"
    "1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"
)
RTCP = bytes.fromhex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61" + "deadbeef" * 5)
SRTCP_128 = (
    "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda"
    "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
)
SRTCP_256 = (
    "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be"
    "8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
)
INDEX = bytes.fromhex("800005d4")


@pytest.mark.parametrize(
    ("master", "salt", "key", "session_salt", "auth"),
    [
        pytest.param(
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
            id="RFC 3711 B.3",
        ),
        pytest.param(
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
            id="RFC 6188 7.2",
        ),
    ],
)
def test_key_derivation(master: str, salt: str, key: str, session_salt: str, auth: str) -> None:
    made = [
        derive(bytes.fromhex(master), bytes.fromhex(salt), label, size)
        for label, size in ((0, len(key) // 2), (2, 14), (1, 20))
    ]
    assert made == [bytes.fromhex(text) for text in (key, session_salt, auth)]


def test_counter_mode() -> None:
    """RFC 3711 B.2: the keystream, which is what zeros are encrypted to."""
    key, salt = "2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"
    transform = CounterMode(bytes.fromhex(key), bytes.fromhex(salt), bytes(20), 10)
    packet = transform.protect(b"", bytes(48), 0, 0, sent=b"", implied=bytes(4))
    assert packet[:-10].hex() == (
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
    )


@pytest.mark.parametrize(("key", "protected"), [(KEY_128, SRTP_128), (KEY_256, SRTP_256)])
def test_gcm(key: bytes, protected: str) -> None:
    """RFC 7714 section 16, which begins with session keys."""
    transform, ssrc = Gcm(key, SALT), 0x5501A0B2
    made = transform.protect(RTP[:12], RTP[12:], ssrc, 0xF17B, sent=b"", implied=b"")
    assert made.hex() == protected
    assert transform.unprotect(made, 12, ssrc, 0xF17B, sent=b"", implied=b"") == RTP
    with pytest.raises(Unauthentic):
        transform.unprotect(made, 12, ssrc, 0x1F17B, sent=b"", implied=b"")


@pytest.mark.parametrize(("key", "protected"), [(KEY_128, SRTCP_128), (KEY_256, SRTCP_256)])
def test_gcm_of_reports(key: bytes, protected: str) -> None:
    """RFC 7714 section 17."""
    transform, ssrc = Gcm(key, SALT), int.from_bytes(b"Mars")
    made = transform.protect(RTCP[:8], RTCP[8:], ssrc, 0x5D4, sent=INDEX, implied=b"")
    assert made.hex() == protected
    assert transform.unprotect(made, 8, ssrc, 0x5D4, sent=INDEX, implied=b"") == RTCP


def test_the_c_core_has_the_same_suites() -> None:
    assert {suite.name: suite.material_bytes for suite in SUITES.values()} == native.SUITES
    assert list(SUITES) == list(native.SUITES)


def pair(suite: str) -> tuple[SrtpContext, SrtpContext]:
    """A sender and its receiver."""
    key = random.Random(suite).randbytes(SUITES[suite].material_bytes)
    return SrtpContext.open(suite, key), SrtpContext.open(suite, key)


def packet(sequence: int, ssrc: int = 7, payload: bytes = b"said") -> bytes:
    """An RTP packet."""
    return RtpPacket(0, sequence % 0x10000, 0, ssrc, payload).to_bytes()


@pytest.mark.parametrize("suite", SUITES)
def test_there_and_back(suite: str) -> None:
    sender, receiver = pair(suite)
    protected = sender.protect(packet(5))
    assert len(protected) == len(packet(5)) + SUITES[suite].tag_bytes
    assert protected[:12] == packet(5)[:12]
    assert b"said" not in protected
    assert receiver.unprotect(protected) == packet(5)
    report = sender.protect_report(RTCP)
    assert len(report) == len(RTCP) + 4 + SUITES[suite].report_tag_bytes
    assert receiver.unprotect_report(report) == RTCP
    for twice, data in ((receiver.unprotect, protected), (receiver.unprotect_report, report)):
        with pytest.raises(Replayed):
            twice(data)


@pytest.mark.parametrize("suite", SUITES)
def test_any_changed_bit_is_noticed(suite: str) -> None:
    sender, receiver = pair(suite)
    for data, unprotect in (
        (sender.protect(packet(5)), receiver.unprotect),
        (sender.protect_report(RTCP), receiver.unprotect_report),
    ):
        for bit in range(8 * len(data)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises((Unauthentic, MalformedPacket)):
                unprotect(bytes(changed))
        for size in range(len(data)):
            with pytest.raises((Unauthentic, MalformedPacket)):
                unprotect(data[:size])
        unprotect(data)


def test_the_rollover_counter_follows_losses_and_reordering() -> None:
    sender, receiver = pair("AES_CM_128_HMAC_SHA1_80")
    sealed = [(at, sender.protect(packet(at))) for at in range(65_000, 200_000, 50)]
    chance = random.Random(3)
    for start in range(0, len(sealed), 2):
        for at, data in chance.sample(sealed[start : start + 2], 2):
            assert receiver.unprotect(data) == packet(at)


def test_the_window() -> None:
    window = Window()
    window.note(70_000)
    assert window.guess(70_000 % 0x10000) == 70_000
    assert window.guess(0xFFFF) == 0xFFFF
    assert not window.admits(70_000)
    assert window.admits(70_000 - WINDOW + 1)
    assert not window.admits(70_000 - WINDOW)
    window.note(70_000 - WINDOW + 1)
    assert not window.admits(70_000 - WINDOW + 1)
    window.note(70_001)
    assert not window.admits(70_000)


def test_nothing_is_before_the_first_index() -> None:
    window = Window()
    window.note(3)
    assert window.guess(0xFFFF) == 0xFFFF


def test_sources_are_limited() -> None:
    sender, receiver = pair("AEAD_AES_128_GCM")
    for ssrc in range(MAX_SOURCES):
        receiver.unprotect(sender.protect(packet(1, ssrc)))
    with pytest.raises(Unauthentic, match="16 SSRCs"):
        receiver.unprotect(sender.protect(packet(1, MAX_SOURCES)))
    receiver.unprotect(sender.protect(packet(2, 0)))


def test_forged_sources_are_not_remembered() -> None:
    sender, receiver = pair("AES_CM_128_HMAC_SHA1_32")
    for ssrc in range(100, 200):
        with pytest.raises(Unauthentic):
            receiver.unprotect(packet(1, ssrc, bytes(30)))
    receiver.unprotect(sender.protect(packet(1)))


def test_a_report_must_be_encrypted() -> None:
    _, receiver = pair("AEAD_AES_256_GCM")
    with pytest.raises(Unauthentic, match="not encrypted"):
        receiver.unprotect_report(RTCP + bytes(20))


def test_headers_of_any_size_stay_readable() -> None:
    sender, receiver = pair("AEAD_AES_128_GCM")
    plain = RtpPacket(0, 1, 2, 3, b"said", csrcs=(4, 5), padding=4).to_bytes()
    protected = sender.protect(plain)
    assert protected[:20] == plain[:20]
    assert receiver.unprotect(protected) == plain


@pytest.mark.parametrize(("suite", "size"), [("NULL", 30), ("AEAD_AES_128_GCM", 30)])
def test_a_context_needs_a_known_suite_and_its_key(suite: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"suite|28 bytes"):
        SrtpContext.open(suite, bytes(size))


def test_no_repr_shows_a_key() -> None:
    sender, _ = pair("AES_CM_128_HMAC_SHA1_80")
    transform = CounterMode(b"KEY", b"SALT", b"AUTH", 10)
    assert "KEY" not in repr(transform)
    assert "_key" not in repr(sender)
