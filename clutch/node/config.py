"""What can be configured: one frozen class per table of the TOML file, with types, rules and defaults.

`clutch.node.configure` reads them. docs/operations.md lists the keys for people; a test keeps the two alike.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import attrs


class Rule(Protocol):
    """What an `Annotated` key demands beyond its type."""

    @property
    def text(self) -> str:
        """Completes the sentence "must be …"."""

    def holds(self, value: Any) -> bool:
        """True if a value of the right type is allowed."""


@attrs.frozen
class Between:
    """A number from `low` to `high`, both included."""

    low: int
    high: int

    @property
    def text(self) -> str:
        """See `Rule`."""
        return f"a number from {self.low} to {self.high}"

    def holds(self, value: float) -> bool:
        """See `Rule`."""
        return self.low <= value <= self.high


@attrs.frozen
class IpAddress:
    """An IPv4 or IPv6 address in its text form, no name."""

    @property
    def text(self) -> str:
        """See `Rule`."""
        return "an IP address"

    def holds(self, value: str) -> bool:
        """See `Rule`."""
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return False
        return True


@attrs.frozen
class InterfaceName:
    """The name of a network interface: Linux has room for 15 bytes."""

    @property
    def text(self) -> str:
        """See `Rule`."""
        return "the name of a network interface"

    def holds(self, value: str) -> bool:
        """See `Rule`."""
        return 0 < len(value.encode()) <= 15 and not any(c == "/" or c.isspace() for c in value)


Port: TypeAlias = Annotated[int, Between(0, 65_535)]
Host: TypeAlias = Annotated[str, IpAddress()]


class Secret:
    """A password, token or key. Only `reveal` shows it; no repr, log line or error message does."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


@attrs.frozen
class NodeConfig:
    """``[node]``"""

    data: Path = Path("data")
    """Folder of everything the node keeps: recordings, keys, state."""
    drain_s: Annotated[float, Between(0, 86_400)] = 30.0
    """How long calls may go on after SIGTERM before the node hangs up."""


@attrs.frozen
class SipConfig:
    """``[sip]``"""

    host: Host = "127.0.0.1"
    """Address to listen on. Open to this machine only unless you say otherwise."""
    port: Port = 5060
    """UDP and TCP port; 0 takes a free one."""
    tcp: bool = True
    public_address: Host | None = None
    """What peers are told to send to (Via, Contact, SDP), where that is not `host`."""


@attrs.frozen
class RtpConfig:
    """``[rtp]``: media ports, on `sip.host`: RTP has the even ones, RTCP the one above each."""

    first_port: Annotated[int, Between(1024, 65_535)] = 16_384
    last_port: Annotated[int, Between(1024, 65_535)] = 32_767
    timeout_s: Annotated[float, Between(0, 86_400)] = 30.0
    """Silence from the network after which a call is ended; 0 never ends one."""
    quarantine_s: Annotated[float, Between(0, 600)] = 32.0
    """How long the ports of an ended call stay unused: as long as its BYE may still be on its way (timer F of
    RFC 3261) the peer may not know that the call is over, and must not be heard in the next one."""
    comfort_noise: bool = False
    """Send comfort noise (RFC 3389) for silence to peers that know it; what comes is always played."""
    srtp: Literal["optional", "required", "off"] = "optional"
    """Whether media is encrypted: if the peer does as well, always, or never."""
    detect_speech: bool = False
    """Whether agents are told when a caller starts and stops speaking."""
    detect_tones: bool = True
    """Whether keys are heard as tones from peers that do not send them as telephone events."""


@attrs.frozen
class HttpConfig:
    """``[http]``"""

    host: Host = "127.0.0.1"
    port: Port = 8080
    """0 takes a free one."""


@attrs.frozen
class MediaConfig:
    """``[media]``"""

    plane: Literal["auto", "native", "twin"] = "auto"
    """The C core, its Python twin, or the C core if it was built."""
    backend: Literal["auto", "udp", "io_uring", "af_xdp"] = "auto"
    """How the C core gets its packets."""
    interface: Annotated[str, InterfaceName()] | None = None
    """The network interface that af_xdp attaches to."""
    cpu: Annotated[int, Between(0, 1023)] | None = None
    """The CPU that the C core's thread stays on; any, if None."""
    busy_poll_us: Annotated[int, Between(0, 1_000_000)] = 0
    """How long the kernel looks for packets in the device itself before the C core's thread sleeps."""
    xdp_mode: Literal["auto", "driver", "generic"] = "auto"
    """Where af_xdp takes packets: in the interface's driver, or behind it; `auto` tries the driver first."""


@attrs.frozen
class OpusConfig:
    """``[opus]``"""

    rate_hz: Literal[8000, 16_000, 24_000, 48_000] = 48_000
    """What it is decoded to and encoded from: the less, the cheaper."""
    bitrate: Annotated[int, Between(6000, 510_000)] = 32_000
    """Bits a second that are sent; a peer may ask for less."""
    complexity: Annotated[int, Between(0, 10)] = 5
    """Of the encoder; 5 takes half the processor time of 10."""
    fec: bool = True
    """Send forward error correction to peers that can use it."""
    loss_percent: Annotated[int, Between(0, 100)] = 10
    """How many packets the encoder expects to be lost: how much FEC it sends. At 48 kHz and 32 kbit/s that is
    none below 10."""
    dtx: bool = False
    """Send next to nothing in silence to peers that wish so, and wish so ourselves."""


@attrs.frozen
class RecordingConfig:
    """``[recording]``"""

    enabled: bool = True
    dir: Path | None = None
    """Where recordings go, if not into ``recordings`` under `node.data`."""


@attrs.frozen
class LimitsConfig:
    """``[limits]``"""

    max_calls: Annotated[int, Between(1, 100_000)] = 500
    """Calls at a time; the next INVITE is answered 503."""
    max_duration_s: Annotated[float, Between(1, 604_800)] = 14_400.0
    """Longest call, counted from the answer."""
    ring_timeout_s: Annotated[float, Between(1, 3600)] = 30.0
    """How long an outgoing call may ring."""


@attrs.frozen
class MoqtConfig:
    """``[moqt]``: the relay, on raw QUIC and on WebTransport."""

    host: Host = "127.0.0.1"
    port: Port = 4443
    """UDP; 0 takes a free one."""
    certificate: Path | None = None
    """PEM: the certificate and what leads from it to an authority. If not set, one is made for a few days."""
    key: Path | None = None
    """PEM: the private key of `certificate`."""
    fast_port: Port | None = None
    """UDP: also listen here, with picoquic in a process of its own, on all addresses of this machine."""
    fast_python: Path | None = None
    """The Python for that process, where the extra `fast` is; if not set it is the node's own."""
    open_loopback: bool = True
    """Whether peers on this machine need no token."""
    max_sessions: Annotated[int, Between(1, 1_000_000)] = 10_000
    idle_timeout_s: Annotated[float, Between(1, 600)] = 30.0
    """How long a peer may be silent before it counts as gone."""
    keylog: Path | None = None
    """A file for the secrets of all connections, as Wireshark reads them: for debugging only."""
    qlog: Path | None = None
    """A folder for a trace of every connection: for debugging only."""


@attrs.frozen
class TracksConfig:
    """``[tracks]``: the audio of calls as tracks of the relay, `voice/<sid>/uplink` and `…/downlink`."""

    second_speaker: Literal["refuse", "mix"] = "refuse"
    """What happens to one who publishes the downlink while an agent, or another, speaks to the caller."""


@attrs.frozen
class AuthConfig:
    """``[auth]``: whose tokens let a peer publish and subscribe."""

    keys: Path | None = None
    """The keys that sign them, a JWKS. If not set it is ``keys.json`` under `node.data`, and is made if there
    is none."""
    revoked: Path | None = None
    """Tokens that count no more: the `jti` of one on each line."""
    issuer: str | None = None
    """The `iss` that tokens must have."""
    audience: str | None = None
    """The `aud` that tokens must have. Without it they must have none."""


@attrs.frozen
class LogConfig:
    """``[log]``"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is for people on a terminal and JSON elsewhere."""


@attrs.frozen
class EchoAgent:
    """``agent = "echo"``: says what it hears."""


@attrs.frozen
class ToneAgent:
    """``agent = "tone"``: hums."""

    frequency_hz: Annotated[int, Between(20, 3800)] = 440


@attrs.frozen
class PlayAgent:
    """``agent = "play"``: plays a sound and hangs up."""

    file: Path | None = None
    """A WAV file; a chime if there is none."""


@attrs.frozen
class AppAgent:
    """``agent = "app"``: nobody of ours; the call waits for one who hears and speaks by its tracks."""


AgentConfig: TypeAlias = EchoAgent | ToneAgent | PlayAgent | AppAgent

AGENTS: Mapping[str, type[EchoAgent | ToneAgent | PlayAgent | AppAgent]] = {
    "echo": EchoAgent,
    "tone": ToneAgent,
    "play": PlayAgent,
    "app": AppAgent,
}
"""What `agent` may be in a table of the dialplan."""


@attrs.frozen
class Config:
    """Everything that can be set."""

    node: NodeConfig = NodeConfig()
    sip: SipConfig = SipConfig()
    rtp: RtpConfig = RtpConfig()
    http: HttpConfig = HttpConfig()
    media: MediaConfig = MediaConfig()
    opus: OpusConfig = OpusConfig()
    recording: RecordingConfig = RecordingConfig()
    limits: LimitsConfig = LimitsConfig()
    moqt: MoqtConfig = MoqtConfig()
    tracks: TracksConfig = TracksConfig()
    auth: AuthConfig = AuthConfig()
    log: LogConfig = LogConfig()
    dialplan: Mapping[str, AgentConfig] = attrs.field(
        factory=lambda: {name: agent() for name, agent in AGENTS.items()}
    )
    """Who answers ``sip:NAME@…``. Tables in a file replace the default; ``--set`` changes what is there."""

    @property
    def recordings(self) -> Path:
        """The folder that recordings go into."""
        return self.recording.dir or self.node.data / "recordings"
