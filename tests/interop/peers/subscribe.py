"""Runs beside aiomoqt: subscribe to a track and print, as one line of JSON, what came.

Arguments: URL, draft, namespace, track, how many seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiomoqt.client import MOQTClient
from aiomoqt.track import SubscribedTrack
from aiomoqt.utils.url import parse_relay_url


async def main(url: str, draft: int, namespace: str, name: str, seconds: float) -> None:
    """Subscribe for a while."""
    where = parse_relay_url(url)
    client = MOQTClient(
        where.host,
        where.port,
        path=where.path or "",
        use_quic=where.use_quic,
        verify_tls=False,
        supported_drafts=draft,
    )
    groups: list[int] = []
    payloads: list[str] = []

    def on_object(message: Any, _size: int, _at_us: int, group: int, *_more: Any) -> None:
        if message.payload:
            groups.append(group)
            payloads.append(bytes(message.payload).hex())

    async with client.connect() as session:
        await session.client_session_init()
        track = SubscribedTrack(session, namespace=namespace, trackname=name, on_object=on_object)
        await track.subscribe()
        print("subscribed", flush=True)
        try:
            await asyncio.wait_for(track.wait_closed(), seconds)
        except TimeoutError:
            track.completed = True
        properties = track.track_properties or {}
    readable = {
        hex(key): value.hex() if isinstance(value, bytes) else value for key, value in properties.items()
    }
    print(json.dumps({"groups": groups, "payloads": payloads, "properties": readable}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5])))
