"""baresip as an unattended phone: one folder per phone, both directions dumped into wav files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from tests.native.cable import End

CONFIG = """\
poll_method epoll
call_local_timeout 120
call_max_calls 4
sip_listen {ip}:{port}
net_interface {ip}
module_path /usr/lib/baresip/modules
audio_path /usr/share/baresip
audio_source aufile,{source}
audio_player aufile,{folder}/player.wav
audio_alert aufile,/dev/null
audio_buffer 20-160
rtp_ports {rtp}-{rtp_end}
module g711.so
module g722.so
module l16.so
module opus.so
module aufile.so
module srtp.so
module sndfile.so
snd_path {folder}
module_tmp account.so
module_app menu.so
"""


@attrs.frozen
class Dump:
    """What baresip said (enc) and heard (dec)."""

    said: Path
    heard: Path
    log: str


ANSWERING = """\
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


@attrs.define(eq=False)
class Keypad:
    """A phone that answers, and its keys: those it heard, and a way to press them."""

    address: str
    _control: trio.SocketStream
    _unread: bytes = b""

    async def press(self, keys: str) -> None:
        """Press keys in the call that there is, as a person does who holds each for a moment."""
        for key in keys:
            for code in (key, "\x04"):  # pressed and released
                await self._control.send_all(netstring({"command": "sndcode", "params": code}))
                await trio.sleep(0.15)

    async def heard(self, count: int) -> str:
        """The next keys from the far end."""
        keys = ""
        while len(keys) < count:
            event = await self._receive()
            if event.get("type") == "CALL_DTMF_START":
                keys += event["param"]
        return keys

    async def _receive(self) -> dict[str, str]:
        while True:
            size, colon, rest = self._unread.partition(b":")
            if colon and len(rest) > int(size):
                self._unread = rest[int(size) + 1 :]
                message: dict[str, str] = json.loads(rest[: int(size)])
                return message
            self._unread += await self._control.receive_some()


def netstring(message: dict[str, str]) -> bytes:
    """A message to the module ctrl_tcp."""
    data = json.dumps(message).encode()
    return b"%d:%b," % (len(data), data)


@asynccontextmanager
async def answering(
    folder: Path, source: Path, codec: str, ports: tuple[int, int], encryption: str = ""
) -> AsyncIterator[Keypad]:
    """A phone that answers at once; `ports` are for SIP and for its remote control."""
    port, control = ports
    prepare(folder, source, codec, port=port, answer="auto", encryption=encryption)
    with (folder / "config").open("a") as config:
        config.write(ANSWERING.format(control=control))
    async with trio.open_nursery() as nursery:
        with (folder / "log").open("wb") as log:
            run = partial(trio.run_process, stdout=log, stderr=log, check=False)
            process = await nursery.start(run, ["baresip", "-4", "-f", str(folder)])
        async with await _control(process, control) as stream:
            yield Keypad(f"sip:phone@127.0.0.1:{port}", stream)
        process.terminate()


async def _control(process: trio.Process, port: int) -> trio.SocketStream:
    """Reach its remote control once it is up. It does not come up if somebody took its ports meanwhile."""
    with trio.fail_after(20):
        while process.returncode is None:
            try:
                return await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.1)
    raise RuntimeError(f"baresip ended with {process.returncode}")


def prepare(
    folder: Path,
    source: Path,
    codec: str,
    *,
    port: int,
    answer: str,
    ip: str = "127.0.0.1",
    encryption: str = "",
) -> None:
    """Write the configuration of a phone. `encryption` is ``srtp`` to offer it, ``srtp-mand`` to insist."""
    folder.mkdir()
    rtp = {"rtp": port + 2, "rtp_end": port + 42}
    config = CONFIG.format(ip=ip, port=port, source=source, folder=folder, **rtp)
    (folder / "config").write_text(config)
    account = f"<sip:phone@{ip}:{port}>;regint=0;answermode={answer};audio_codecs={codec}"
    if encryption:
        account += f";mediaenc={encryption}"
    (folder / "accounts").write_text(account + "\n")
    (folder / "contacts").write_text("")


def call(
    folder: Path,
    target: str,
    source: Path,
    codec: str,
    *,
    port: int,
    seconds: int = 8,
    mux: bool = False,
    end: End | None = None,
    encryption: str = "",
) -> Dump:
    """Dial, say `source`, hang up after `seconds` or at the end of the sound; return both dumps.

    `mux` offers RTCP on the RTP port (RFC 5761); for `encryption` see `prepare`. The phone is at `end` of a
    cable, if not on loopback.
    """
    ip, enter = (end.ip, end.enter) if end else ("127.0.0.1", [])
    prepare(folder, source, codec, port=port, answer="manual", ip=ip, encryption=encryption)
    with (folder / "config").open("a") as config:
        config.write(f"rtcp_mux {'yes' if mux else 'no'}\n")
    done = subprocess.run(
        [*enter, "baresip", "-4", "-v", "-f", str(folder), "-e", f"/dial {target}", "-t", str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + 40,
        check=False,
        text=True,
        errors="replace",
    )
    said, heard = sorted(folder.glob("dump-*-enc.wav")), sorted(folder.glob("dump-*-dec.wav"))
    assert said, done.stdout[-3000:]
    assert heard, done.stdout[-3000:]
    return Dump(said[0], heard[0], done.stdout)
