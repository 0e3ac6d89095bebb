"""The same under asyncio: a room in which what is said is written down."""

import asyncio

from clutch.client import Trust
from clutch.client.aio import Voice

NODE, LOCAL = "moqt://127.0.0.1:4443", Trust(insecure=True)


async def main(url: str = NODE, trust: Trust = LOCAL) -> None:
    """Write two lines into a room, and read them from there."""
    async with (
        Voice(url, trust=trust) as voice,
        voice.subscribe_text("room/1", "words") as words,
        voice.publish_text("room/1", "words", capability="asr") as paper,
    ):
        for line in ("hello", "goodbye"):
            await paper.send(line)
            print((await anext(words)).text)


if __name__ == "__main__":
    asyncio.run(main())
