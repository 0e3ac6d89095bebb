"""An app on a call's audio: it says back what it hears, and goes on when the node is restarted."""

import trio

from clutch.client import Trust, Voice

NODE, LOCAL = "moqt://127.0.0.1:4443", Trust(insecure=True)


async def echo(voice: Voice, sid: str) -> None:
    """Say to the caller what the caller says, until the call ends."""
    async with voice.audio_bridge.attach(sid, codec="pcm16", sample_rate=16_000) as bridge:
        async for frame in bridge.uplink:
            if frame.gap:
                print(f"{frame.gap.ms} ms are missing")
            await bridge.downlink.send(frame)


async def main(url: str = NODE, trust: Trust = LOCAL, sid: str = "demo") -> None:
    """Echo one call, and show how the connection fares."""
    async with Voice(url, trust=trust) as voice, trio.open_nursery() as nursery:
        nursery.start_soon(show, voice)
        await echo(voice, sid)
        nursery.cancel_scope.cancel()


async def show(voice: Voice) -> None:
    """Print every state of the connection."""
    with voice.events() as events:
        async for event in events:
            print(event.state.value, event.reason)


if __name__ == "__main__":
    trio.run(main)
