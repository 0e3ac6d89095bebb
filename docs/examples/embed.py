"""A whole call inside your own Trio program: ports that are fakes, a tree that is real."""

import trio

import actors
from actors.testing import FakeAgent, FakeLeg, FakeMedia, FakeSink, Ledger, Trace


async def main() -> None:
    """Answer a call, echo for a second, and show in which order it came up and went down."""
    ledger = Ledger()
    async with actors.open_system() as system:
        trace = Trace.of(system)
        media, calls = FakeMedia(ledger), actors.Calls()
        await system.start(actors.ChildSpec("media", media.run))
        await system.start(calls.spec())
        leg = FakeLeg(ledger, "demo", end_after_s=1.0)
        stream = media.open("demo")
        recording = actors.TapRecording(stream, FakeSink(ledger, "demo"))
        spec = actors.CallSpec("demo", leg, stream, agent=FakeAgent, recording=lambda: recording)
        status = await calls.start(spec).wait()
    print(*trace.lines, f"{status.value}, left over: {ledger.leftovers()}", sep="\n")


if __name__ == "__main__":
    trio.run(main)
