"""Runs beside aiomoqt: one publisher of small objects, each its own group, and many subscribers to it.

Arguments: URL, draft, namespace, subscribers, bytes an object, objects a second, and "lead" to publish too.
Says so when all are subscribed. Then it counts from one line of its input to the next, and says how many
objects came, were missing, and how late they were.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
from contextlib import AsyncExitStack
from typing import Any

from aiomoqt.client import MOQTClient
from aiomoqt.track import PublishedTrack, SubscribedTrack
from aiomoqt.utils.logger import set_log_level
from aiomoqt.utils.stats import send_time_us
from aiomoqt.utils.url import parse_relay_url


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


async def main(
    url: str, draft: int, namespace: str, subscribers: int, size: int, rate: float, lead: bool
) -> None:
    """Connect everybody, and listen."""
    answers, sys.stdout = sys.stdout, sys.stderr  # aiomoqt prints figures of its own
    where = parse_relay_url(url)

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
        if lead:
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
        print(json.dumps({"ready": subscribers}), file=answers, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for ear in ears:
            ear.groups.clear()
            ear.delays_ms.clear()
        await asyncio.to_thread(sys.stdin.readline)
        delays = [delay for ear in ears for delay in ear.delays_ms]
        percentiles = statistics.quantiles(delays, n=100) if len(delays) > 1 else [0.0] * 99
        result = {
            "objects": sum(len(ear.groups) for ear in ears),
            "missing": sum(ear.missing for ear in ears),
            "p50_ms": percentiles[49],
            "p99_ms": percentiles[98],
        }
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    set_log_level(logging.ERROR)
    _, to, draft, prefix, *numbers = sys.argv
    asyncio.run(
        main(
            to,
            int(draft),
            prefix,
            int(numbers[0]),
            int(numbers[1]),
            float(numbers[2]),
            numbers[3:] == ["lead"],
        )
    )
