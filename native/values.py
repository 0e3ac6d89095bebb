"""What goes in and out of the media plane, as Python values; and their way into C and back."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from native.errors import MediaError

if TYPE_CHECKING:
    from native._native import FFI, Endpoint, Lib, MediaEvent, MediaKeys, MediaParams, NativeOptions, Stream

Address: TypeAlias = tuple[str, int]
"""IP address (no host name) and UDP port."""

CODECS = ("pcmu", "pcma", "l16", "opus", "g722")
"""Codec names in the order of `enum codec_id`."""

SUITES: Mapping[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
"""Crypto suites of SRTP in the order of `enum srtp_suite`, with the length of a master key and its salt."""

XDP_MODES = ("auto", "driver", "generic")
"""In the order of `enum xdp_mode`; every interface can do the last."""

CNAME_BYTES = 16
"""Length of a stream's name in reports: 96 random bits in base64 (RFC 7022 section 4.2)."""

MAX_NAME = 15
"""Length of a backend's or an interface's name in bytes (IFNAMSIZ, without the zero at its end)."""

MAPPED = bytes(10) + b"\xff\xff"
"""Prefix of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)."""


class Keys(NamedTuple):
    """How the packets of one stream are protected. No repr shows a key."""

    suite: str
    """One of `SUITES`; whether this build has it: `native.srtp_suites`."""
    send: bytes
    """Our master key with its salt behind it, as long as the suite says."""
    receive: bytes
    """The peer's."""

    def __repr__(self) -> str:
        return f"Keys({self.suite!r}, ***)"


class OpusOptions(NamedTuple):
    """How Opus is coded (RFC 7587)."""

    bitrate: int = 32_000
    """Bits a second, 6000 to 510000."""
    complexity: int = 5
    """0 to 10; 5 takes half the processor time of 10."""
    loss_percent: int = 0
    """How much of what is sent the encoder is to expect to be lost."""
    playback_hz: int = 48_000
    """The peer hears nothing above half of it."""
    fec: bool = False
    """Send forward error correction in band, as much as `loss_percent` asks for."""


class Params(NamedTuple):
    """What signalling agreed on for one stream."""

    remote: Address
    """Where the peer says it receives."""
    codec: str
    """One of `CODECS`."""
    rate_hz: int
    """Of the PCM: 8000 for pcmu and pcma, 8000, 16000 or 48000 for l16, 16000 for g722; those and
    24000 for opus."""
    payload_type: int
    telephone_event: int = -1
    """Payload type of RFC 4733 events; -1 without."""
    send: bool = True
    receive: bool = True
    timeout_ms: int = 30_000
    """Silence after which a `Timeout` is reported; 0 never."""
    learn: bool = True
    """Adopt the address that packets really come from."""
    rtcp: Address | None = None
    """Where the peer receives RTCP; None: where it receives RTP (rtcp-mux)."""
    clock_hz: int = 0
    """Of RTP timestamps: 48000 for opus, 8000 for g722, else as `rate_hz`, which 0 stands for."""
    event_clock_hz: int = 0
    """In which RFC 4733 events count their duration; 0: `clock_hz`. Their timestamps are the audio's."""
    keys: Keys | None = None
    """For SRTP; None: plain RTP."""
    opus: OpusOptions = OpusOptions()
    dtx: bool = False
    """Send next to nothing in silence: opus by itself, others by comfort noise (RFC 3389)."""
    comfort_noise: int = 13
    """Payload type of comfort noise; opus takes none."""
    detect_speech: bool = False
    """Report `SpeechStarted` and `SpeechEnded`."""
    detect_tones: bool = False
    """Hear keys as tones, unless telephone events were negotiated."""


class PlaneOptions(NamedTuple):
    """How a plane works."""

    backend: str = "udp"
    """How packets come and go: ``udp``, or another one that is in `native.features`."""
    interface: str = ""
    """The network interface that a backend attaches to, up to 15 characters; empty: none."""
    cpu: int = -1
    """The CPU that the reactor thread stays on; -1: any."""
    busy_poll_us: int = 0
    """How long the kernel looks for packets in the device itself before the reactor sleeps; 0: not at all."""
    xdp_mode: str = "auto"
    """Where af_xdp takes packets: one of `XDP_MODES`."""
    quarantine_ms: int = 0
    """How long the ports of a closed stream stay unused, so that its peer cannot speak into the next one."""


class Stats(NamedTuple):
    """Counters and gauges of one stream, in the order of `enum media_counter`."""

    packets_sent: int
    packets_received: int
    played: int
    late: int
    duplicate: int
    discarded: int
    concealed: int
    malformed: int
    wrong_payload: int
    wrong_source: int
    ssrc_changes: int
    downlink_dropped: int
    lost: int
    jitter_us: int
    reports_sent: int
    reports_received: int
    reports_malformed: int
    reports_wrong_source: int
    remote_expected: int
    remote_lost: int
    remote_jitter_us: int
    round_trips: int
    round_trip_us: int
    srtp_forged: int
    srtp_replayed: int
    relayed: int
    recovered: int


class Dtmf(NamedTuple):
    """A key of the far side is complete."""

    digit: str
    duration_ms: int


class Timeout(NamedTuple):
    """Nothing came for `idle_ms`; reported once until packets come again."""

    idle_ms: int


class SpeechStarted(NamedTuple):
    """The far side began to speak, 60 ms ago."""


class SpeechEnded(NamedTuple):
    """The far side stopped speaking, 200 ms ago."""

    duration_ms: int


class Closed(NamedTuple):
    """The plane has let go of a stream; only then are its port and memory free again."""


Event: TypeAlias = Dtmf | Timeout | SpeechStarted | SpeechEnded | Closed


def write_endpoint(endpoint: Endpoint, address: Address, ffi: FFI) -> None:
    """Write an address into a C endpoint. Raises `MediaError` (EINVAL) if it is none."""
    host, port = address
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError as error:
        raise MediaError(errno.EINVAL, str(error)) from error
    if not 0 <= port <= 0xFFFF:
        raise MediaError(errno.EINVAL, f"{port} is not a UDP port")
    ffi.buffer(endpoint.ip)[:] = packed if len(packed) == 16 else MAPPED + packed
    endpoint.port = port


def read_endpoint(endpoint: Endpoint, ffi: FFI) -> Address:
    """The address in a C endpoint, its IP in the shortest text form."""
    packed = ffi.buffer(endpoint.ip)[:]
    host = packed[12:] if packed.startswith(MAPPED) else packed
    return str(ipaddress.ip_address(host)), endpoint.port


def write_keys(made: MediaKeys, keys: Keys, ffi: FFI) -> None:
    """Write keys into their C form. Raises `MediaError` (EINVAL) for an unknown suite or a wrong length."""
    if keys.suite not in SUITES:
        raise MediaError(errno.EINVAL, f"no SRTP suite is called {keys.suite!r}")
    size = SUITES[keys.suite]
    if len(keys.send) != size or len(keys.receive) != size:
        raise MediaError(errno.EINVAL, f"a key of {keys.suite} with its salt has {size} bytes")
    made.suite = 1 + list(SUITES).index(keys.suite)
    ffi.buffer(made.send)[:size] = keys.send
    ffi.buffer(made.receive)[:size] = keys.receive


def write_params(params: Params, ffi: FFI) -> MediaParams:
    """The C form of parameters. Raises `MediaError` (EINVAL) for an unknown codec, bad keys or address."""
    if params.codec not in CODECS:
        raise MediaError(errno.EINVAL, f"no codec is called {params.codec!r}")
    made = ffi.new("struct media_params *")
    write_endpoint(made.remote, params.remote, ffi)
    made.codec = CODECS.index(params.codec)
    made.rate_hz = params.rate_hz
    made.payload_type = params.payload_type
    made.telephone_event = params.telephone_event
    made.timeout_ms = params.timeout_ms
    made.send = params.send
    made.receive = params.receive
    made.learn = params.learn
    made.clock_hz = params.clock_hz
    made.event_clock_hz = params.event_clock_hz
    made.opus.bitrate = params.opus.bitrate
    made.opus.complexity = params.opus.complexity
    made.opus.loss_percent = params.opus.loss_percent
    made.opus.playback_hz = params.opus.playback_hz
    made.opus.fec = params.opus.fec
    made.dtx = params.dtx
    made.comfort_noise = params.comfort_noise
    made.detect_speech = params.detect_speech
    made.detect_tones = params.detect_tones
    if params.keys is not None:
        write_keys(made.keys, params.keys, ffi)
    if params.rtcp is not None:
        write_endpoint(made.rtcp, params.rtcp, ffi)
    return made


def write_options(options: PlaneOptions, ffi: FFI) -> NativeOptions:
    """The C form of options. Raises `MediaError` (EINVAL) for a mode or a name that cannot exist."""
    made = ffi.new("struct plane_options *")
    for name in ("backend", "interface"):
        value: str = getattr(options, name)
        if len(value.encode()) > MAX_NAME:
            raise MediaError(errno.EINVAL, f"no {name} is called {value!r}")
        setattr(made, name, value.encode())
    made.cpu = options.cpu
    made.busy_poll_us = options.busy_poll_us
    if options.xdp_mode not in XDP_MODES:
        raise MediaError(errno.EINVAL, f"no XDP mode is called {options.xdp_mode!r}")
    made.quarantine_ms = options.quarantine_ms
    made.xdp_mode = XDP_MODES.index(options.xdp_mode)
    return made


def describe(params: Params) -> str:
    """What is tried with these parameters, for an error message."""
    under = f" and {params.keys.suite}" if params.keys is not None else ""
    return f"connect with {params.codec} at {params.rate_hz} Hz{under}"


def write_cname(cname: bytes) -> bytes:
    """A stream's name in reports. Raises `MediaError` (EINVAL) if it is not 16 characters long."""
    if len(cname) != CNAME_BYTES:
        raise MediaError(errno.EINVAL, f"a CNAME has {CNAME_BYTES} characters, not {len(cname)}")
    return cname


def read_stats(stream: Stream, ffi: FFI, lib: Lib) -> Stats:
    """The counters of a C stream now."""
    counters = ffi.new("uint64_t[]", lib.MEDIA_COUNTERS)
    lib.stream_stats(stream, counters)
    return Stats._make(counters[i] for i in range(lib.MEDIA_COUNTERS))


def read_event(event: MediaEvent, lib: Lib) -> Event:
    """The Python form of a C event."""
    if event.kind == lib.MEDIA_DTMF:
        return Dtmf(chr(event.digit), event.ms)
    if event.kind == lib.MEDIA_SPEECH_ENDED:
        return SpeechEnded(event.ms)
    if event.kind == lib.MEDIA_SPEECH_STARTED:
        return SpeechStarted()
    return Timeout(event.ms) if event.kind == lib.MEDIA_TIMEOUT else Closed()


def write_digits(digits: str) -> bytes:
    """Digits as bytes. Raises ValueError for one outside ``0-9*#A-D``."""
    for digit in digits:
        if digit not in "0123456789*#ABCD":
            raise ValueError(f"{digit!r} is not a DTMF digit")
    return digits.encode()
