"""Runs beside aiomoqt: publish a track of one small object a group, with our capability property.

Arguments: URL, draft, namespace, track, how many seconds, and "namespace" to announce instead of PUBLISH.
"""

from __future__ import annotations

import asyncio
import sys

from aiomoqt.client import MOQTClient
from aiomoqt.track import PublishedTrack
from aiomoqt.utils.url import parse_relay_url


async def main(url: str, draft: int, namespace: str, name: str, seconds: float, announce: bool) -> None:
    """Publish for a while, once somebody listens."""
    where = parse_relay_url(url)
    client = MOQTClient(
        where.host,
        where.port,
        path=where.path or "",
        use_quic=where.use_quic,
        verify_tls=False,
        supported_drafts=draft,
    )
    async with client.connect() as session:
        await session.client_session_init()
        track = PublishedTrack(
            session,
            namespace=namespace,
            trackname=name,
            object_size=80,
            group_size=1,
            rate=50,
            track_properties={0x3841: b"voice/opus"},
        )
        await track.publish(announce_namespace=announce)
        print("published", flush=True)
        try:
            await asyncio.wait_for(track.wait_closed(), seconds)
        except TimeoutError:
            track.end()


if __name__ == "__main__":
    asyncio.run(
        main(
            sys.argv[1],
            int(sys.argv[2]),
            sys.argv[3],
            sys.argv[4],
            float(sys.argv[5]),
            "namespace" in sys.argv[6:],
        )
    )
