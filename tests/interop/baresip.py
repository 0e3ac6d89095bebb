"""baresip as an unattended phone: one folder per phone, both directions dumped into wav files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import attrs

CONFIG = """\
poll_method epoll
call_local_timeout 120
call_max_calls 4
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
audio_path /usr/share/baresip
audio_source aufile,{source}
audio_player aufile,{folder}/player.wav
audio_alert aufile,/dev/null
audio_buffer 20-160
rtp_ports {rtp}-{rtp_end}
module g711.so
module opus.so
module aufile.so
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


def call(
    folder: Path, target: str, source: Path, codec: str, *, port: int, seconds: int = 8, mux: bool = False
) -> Dump:
    """Dial, say `source`, hang up after `seconds` or at the end of the sound; return both dumps.

    `mux` offers RTCP on the RTP port (RFC 5761).
    """
    folder.mkdir()
    config = CONFIG.format(port=port, source=source, folder=folder, rtp=port + 2, rtp_end=port + 42)
    (folder / "config").write_text(config + f"rtcp_mux {'yes' if mux else 'no'}\n")
    (folder / "accounts").write_text(
        f"<sip:phone@127.0.0.1:{port}>;regint=0;answermode=manual;audio_codecs={codec}\n"
    )
    (folder / "contacts").write_text("")
    done = subprocess.run(
        ["baresip", "-4", "-v", "-f", str(folder), "-e", f"/dial {target}", "-t", str(seconds)],
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
