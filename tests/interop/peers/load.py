"""Runs beside aiomoqt: one publisher of small objects, each its own group, and many subscribers to it.

Arguments: URL, draft, subscribers, how many seconds, bytes an object, objects a second. Says "measuring" when
all have heard for a while, and in the end how many objects came, were missing, and how late they were.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
from contextlib import AsyncExitStack
from typing import Any

from aiomoqt.client import MOQTClient
from aiomoqt.track import PublishedTrack, SubscribedTrack
from aiomoqt.utils.stats import send_time_us
from aiomoqt.utils.url import parse_relay_url

WARM_UP_S = 1.5


class Ear:
    """What one subscriber heard since it was asked to count."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.delays_ms: list[float] = []

    def hear(self, message: Any, _size: int, at_us: int, group: int, *_more: Any) -> None:
        """An object came; it says when it was sent."""
        if message.payload:
            self.groups.append(group)
            if (sent_us := send_time_us(message.extensions)) is not None:
                self.delays_ms.append((at_us - sent_us) / 1000)

    @property
    def missing(self) -> int:
        """Groups between the first and the last that did not come."""
        return max(self.groups) - min(self.groups) + 1 - len(set(self.groups)) if self.groups else 0


async def main(url: str, draft: int, subscribers: int, seconds: float, size: int, rate: float) -> None:
    """Connect everybody, and listen."""
    where = parse_relay_url(url)
    namespace = f"bench/{secrets.token_hex(4)}"

    def client() -> MOQTClient:
        return MOQTClient(
            where.host,
            where.port,
            path=where.path or "",
            use_quic=where.use_quic,
            verify_tls=False,
            supported_drafts=draft,
        )

    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(client().connect())
        await session.client_session_init()
        track = PublishedTrack(
            session, namespace=namespace, trackname="audio", object_size=size, group_size=1, rate=rate
        )
        await track.publish()
        ears = [Ear() for _ in range(subscribers)]
        for ear in ears:
            session = await stack.enter_async_context(client().connect())
            await session.client_session_init()
            heard = SubscribedTrack(session, namespace=namespace, trackname="audio", on_object=ear.hear)
            await heard.subscribe()
        await asyncio.sleep(WARM_UP_S)
        for ear in ears:
            ear.groups.clear()
            ear.delays_ms.clear()
        print("measuring", flush=True)
        await asyncio.sleep(seconds)
        delays = [delay for ear in ears for delay in ear.delays_ms]
        percentiles = statistics.quantiles(delays, n=100) if len(delays) > 1 else [0.0] * 99
        result = {
            "objects": sum(len(ear.groups) for ear in ears),
            "missing": sum(ear.missing for ear in ears),
            "p50_ms": percentiles[49],
            "p99_ms": percentiles[98],
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    _, to, *numbers = sys.argv
    asyncio.run(
        main(to, int(numbers[0]), int(numbers[1]), float(numbers[2]), int(numbers[3]), float(numbers[4]))
    )
