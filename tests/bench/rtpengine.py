"""rtpengine in userspace as a forwarder: started here, its calls made over its NG protocol.

NG is one datagram each way: a cookie, a space, and a dictionary in bencoding. Source addresses are strict, so
that it does what we do.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import attrs

from tests.bench.contender import options, serve

NG_PORT = 22_222
COMMAND = shlex.split(
    "rtpengine --foreground --log-stderr --log-level=2 --table=-1 --num-threads=1"
    " --port-min=30000 --port-max=60000 --timeout=3600"
)
"""Without its kernel module, on one thread as our plane."""
Value: TypeAlias = "str | int | Sequence[Value] | Mapping[str, Value]"
RTPMAP = {"pcmu": "0 PCMU/8000", "opus": "96 opus/48000"}
TRANSCODED = {"opus": "opus/48000/1/32000"}
"""Mono at 32 kb/s; nothing else can be chosen in 10.5."""


def bencode(value: Value) -> bytes:
    """Strings as their UTF-8 bytes, keys sorted."""
    if isinstance(value, str):
        data = value.encode()
        return b"%d:%b" % (len(data), data)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, Mapping):
        return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"
    return b"l" + b"".join(map(bencode, value)) + b"e"


def bdecode(data: bytes) -> Value:
    """The one value that this is. Raises ValueError if it is none or more."""
    value, rest = _decode(data)
    if rest:
        raise ValueError("more than one value")
    return value


def _decode(data: bytes) -> tuple[Value, bytes]:
    if match := re.match(rb"(\d+):", data):
        start, size = match.end(), int(match[1])
        return data[start : start + size].decode(), data[start + size :]
    if match := re.match(rb"i(-?\d+)e", data):
        return int(match[1]), data[match.end() :]
    if data[:1] not in (b"l", b"d"):
        raise ValueError(f"no bencoding begins with {data[:8]!r}")
    kind, rest, items = data[:1], data[1:], list[Value]()
    while not rest.startswith(b"e"):
        item, rest = _decode(rest)
        items.append(item)
    if kind == b"l":
        return items, rest[1:]
    return dict(zip(map(str, items[::2]), items[1::2], strict=True)), rest[1:]


@attrs.define
class Control:
    """The NG protocol to a running rtpengine."""

    _socket: socket.socket
    _cookies: itertools.count[int] = attrs.field(factory=itertools.count)

    def ask(self, command: str, **arguments: Value) -> Mapping[str, Value]:
        """Raises RuntimeError if it refuses, TimeoutError if it does not answer."""
        cookie = b"%d " % next(self._cookies)
        names = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._socket.send(cookie + bencode({"command": command, **names}))
        answer = bdecode(self._socket.recv(65_535).removeprefix(cookie))
        assert isinstance(answer, Mapping)
        if answer["result"] == "error":
            raise RuntimeError(f"rtpengine: {answer}")
        return answer


def sdp(ip: str, port: int, codec: str, channels: int = 1) -> str:
    """An audio description. rtpengine encodes Opus with as many channels as this says."""
    number, rtpmap = RTPMAP[codec].split()
    rtpmap += f"/{channels}" if codec == "opus" else ""
    lines = ("v=0", f"o=- 1 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0")
    media = (f"m=audio {port} RTP/AVP {number}", f"a=rtpmap:{number} {rtpmap}", "a=ptime:20", "a=sendrecv")
    return "".join(f"{line}\r\n" for line in (*lines, *media))


def audio_port(description: Value) -> int:
    """The RTP port of an answer's description."""
    match = re.search(r"^m=audio (\d+)", str(description), re.MULTILINE)
    assert match is not None
    return int(match[1])


def make_call(
    control: Control, number: int, ip: str, ports: tuple[int, int], codecs: Sequence[str]
) -> list[int]:
    """Connect the far ends at these ports; returns the ports that they send to."""
    common: dict[str, Value] = {
        "call_id": f"call{number}",
        "from_tag": "a",
        "flags": ["strict-source", "trust-address"],
        "replace": ["origin", "session-connection"],
        "ICE": "remove",
    }
    extra: dict[str, Value] = {}
    if codecs[0] != codecs[1]:
        extra["codec"] = {"transcode": [TRANSCODED[codecs[1]]], "mask": ["all"]}
    offer = control.ask("offer", sdp=sdp(ip, ports[0], codecs[0]), **common, **extra)
    answer = control.ask("answer", sdp=sdp(ip, ports[1], codecs[1]), to_tag="b", **common)
    return [audio_port(answer["sdp"]), audio_port(offer["sdp"])]


def connect(process: subprocess.Popen[bytes]) -> Control:
    """Wait until it answers."""
    control = Control(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    control._socket.settimeout(5)
    control._socket.connect(("127.0.0.1", NG_PORT))
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            control.ask("ping")
            return control
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("rtpengine does not start")


def version() -> str:
    """What it says it is."""
    done = subprocess.run(["rtpengine", "--version"], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip().removeprefix("Version: ")


def main() -> None:
    """Forward until standard input ends."""
    chosen = options()
    process = subprocess.Popen(
        [*COMMAND, f"--interface={chosen.ip}", f"--listen-ng=127.0.0.1:{NG_PORT}"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        control, ports = connect(process), list[int]()
        for number in range(chosen.calls):
            far = chosen.first_port + 4 * number
            ports += make_call(control, number, chosen.remote, (far, far + 2), chosen.codecs)
        serve([process.pid], ports, about=version())
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
