"""The values of single SDP lines. Each `parse` raises ValueError with the rule that was broken."""

from __future__ import annotations

import enum
import re

import attrs

_DIGITS = re.compile(r"[0-9]{1,20}")
_FAMILIES = ("IP4", "IP6")


def is_number(text: str) -> bool:
    """True for a decimal number of sane length."""
    return _DIGITS.fullmatch(text) is not None


def number(text: str, most: int, what: str) -> int:
    """A decimal number from 0 to `most`. Raises ValueError that names `what`."""
    if not is_number(text) or int(text) > most:
        raise ValueError(f"{what} must be a number up to {most}, not {text[:24]!r}")
    return int(text)


class Direction(enum.Enum):
    """Who may send on a stream (RFC 3264 section 5.1), seen from the writer of the description."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, send: bool, receive: bool) -> Direction:
        """The direction with these two halves."""
        return _DIRECTIONS[send, receive]

    @property
    def send(self) -> bool:
        """True if the writer may send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receive(self) -> bool:
        """True if the writer wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


_DIRECTIONS = {
    (True, True): Direction.SENDRECV,
    (True, False): Direction.SENDONLY,
    (False, True): Direction.RECVONLY,
    (False, False): Direction.INACTIVE,
}


def _without_keys(value: str) -> str:
    return "'crypto:***'" if value.startswith("crypto:") else repr(value)


@attrs.frozen
class Line:
    """Any line, as it stood: ``<type>=<value>``. Its repr shows no key."""

    type: str
    value: str = attrs.field(repr=_without_keys)

    @property
    def attribute(self) -> tuple[str, str]:
        """Name and value of an ``a=`` line; the value of a flag is empty."""
        name, _, value = self.value.partition(":")
        return name, value


@attrs.frozen
class Origin:
    """The ``o=`` line (RFC 8866 section 5.2)."""

    username: str
    session_id: int
    version: int
    family: str
    """``IP4`` or ``IP6``."""
    address: str

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read the value of an ``o=`` line."""
        fields = text.split(" ")
        if len(fields) != 6 or not all(fields):
            raise ValueError("o= needs six fields")
        user, session_id, version, _, family, address = fields
        _check_network(fields[3], family)
        most = 10**20 - 1
        return cls(
            user, number(session_id, most, "sess-id"), number(version, most, "sess-version"), family, address
        )

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} IN {self.family} {self.address}"


@attrs.frozen
class Connection:
    """The ``c=`` line (RFC 8866 section 5.7)."""

    family: str
    """``IP4`` or ``IP6``."""
    address: str
    """As written: an IP address or a host name; multicast may end in ``/ttl``."""

    @classmethod
    def parse(cls, text: str) -> Connection:
        """Read the value of a ``c=`` line."""
        fields = text.split(" ")
        if len(fields) != 3 or not all(fields):
            raise ValueError("c= needs three fields")
        _check_network(fields[0], fields[1])
        return cls(fields[1], fields[2])

    def __str__(self) -> str:
        return f"IN {self.family} {self.address}"


@attrs.frozen
class RtpMap:
    """The value of an ``a=rtpmap`` line (RFC 8866 section 6.6)."""

    payload_type: int
    encoding: str
    """As written; names compare without case."""
    clock_hz: int
    channels: int = 1

    @classmethod
    def parse(cls, text: str) -> RtpMap:
        """Read the value of an ``a=rtpmap`` line."""
        payload_type, _, rest = text.partition(" ")
        encoding, *rates = rest.strip().split("/")
        if not encoding or len(rates) not in (1, 2):
            raise ValueError("a=rtpmap must be <payload type> <encoding>/<clock rate>[/<channels>]")
        return cls(
            number(payload_type, 127, "payload type"),
            encoding,
            number(rates[0], 10**9, "clock rate"),
            number(rates[1], 255, "channels") if len(rates) == 2 else 1,
        )

    @property
    def key(self) -> tuple[str, int, int]:
        """What two mappings of the same codec have in common."""
        return self.encoding.lower(), self.clock_hz, self.channels

    def __str__(self) -> str:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.encoding}/{self.clock_hz}{channels}"


@attrs.frozen
class RtcpAddress:
    """The value of an ``a=rtcp`` line (RFC 3605): where RTCP is received, if not one port above RTP."""

    port: int
    connection: Connection | None = None
    """The address, if it is not that of the stream."""

    @classmethod
    def parse(cls, text: str) -> RtcpAddress:
        """Read the value of an ``a=rtcp`` line."""
        port, space, address = text.partition(" ")
        return cls(number(port, 65_535, "RTCP port"), Connection.parse(address) if space else None)


def _check_network(network: str, family: str) -> None:
    if network != "IN" or family not in _FAMILIES:
        raise ValueError("the address must be of type IN IP4 or IN IP6")
