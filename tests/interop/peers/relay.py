"""Runs beside aiomoqt: our relay on picoquic, open for everybody.

Arguments: port, files of certificate and key. Says "up" when it listens.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.picoquic_engine import PicoquicEngine
from clutch.relay import Relay
from clutch.relay.gate import OpenGate
from clutch.wire.moqt.drafts import OFFERED


async def main(port: int, certificate: Path, key: Path) -> None:
    """Serve until killed."""
    relay = Relay(OpenGate())
    where = ("0.0.0.0", port)
    engine = PicoquicEngine(TrioNetwork(), where, certificate, key, list(OFFERED), relay.accept)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run)
        await nursery.start(engine.run)
        print("up", flush=True)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
