"""Your own lifecycle, cancelled at every one of its checkpoints: what is left over each time?"""

import trio

from actors import Cause, Party, Reason
from actors.testing import FakeAgent, Fault, Stage, Story, Trace, cancel_everywhere, run_story


async def play(stage: Stage) -> None:
    """A caller hangs up on an agent that does not let go, and the peer never answers our BYE."""
    stubborn = FakeAgent(Fault("talk", "hang"))
    call, _, _ = stage.call("demo", agents=(stubborn,), leg={"confirms_goodbye": False})
    await trio.sleep(0.1)
    call.hangup(Cause(Reason.NORMAL, Party.CALLER))
    await call.wait()


def check(trace: Trace) -> None:
    """What an undisturbed run must show."""
    assert trace.final("demo")[0] == "completed"
    assert trace.road("demo") == ["leg", "agent", "bridge", "recorder"]


STORY = Story("an agent that does not let go", play, check)


def main() -> None:
    """Play it once, then once for every checkpoint."""
    print(*run_story(STORY).lines, sep="\n")
    print(cancel_everywhere(STORY))


if __name__ == "__main__":
    main()
