"""Keys to and from a phone that knows telephone events at 8000 Hz only, whatever it speaks."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from actors import Conversation
from clutch.node.phone import Dial, open_phone
from tests.interop import baresip
from tests.interop.node import free_port

KEYS = "19*0#"


@attrs.define(eq=False)
class Presser:
    """An AgentPort that presses keys and notes those that it hears."""

    heard: str = ""
    lengths_ms: list[int] = attrs.field(factory=list)
    enough: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, conversation: Conversation) -> None:
        """Press, then listen."""
        conversation.send_dtmf(KEYS)
        async for key in conversation.keys:
            self.heard += key.digit
            self.lengths_ms.append(key.duration_ms)
            if len(self.heard) == len(KEYS):
                self.enough.set()


@pytest.mark.parametrize(
    ("codec", "ours"), [("opus/48000/2", "opus"), ("PCMU/8000/1", "pcmu")], ids=["opus", "pcmu"]
)
async def test_keys_go_both_ways(
    tmp_path: Path, speech: Path, wide_speech: Path, codec: str, ours: str
) -> None:
    presser, ports = Presser(), (free_port(), free_port())
    source = wide_speech if ours == "opus" else speech
    with trio.fail_after(60):
        async with (
            baresip.answering(tmp_path / "phone", source, codec, ports) as phone,
            open_phone(Dial(phone.address, (ours,)), presser),
        ):
            assert await phone.heard(len(KEYS)) == KEYS
            await phone.press(KEYS)
            await presser.enough.wait()
    assert presser.heard == KEYS
    # Held for about 150 ms; but baresip counts in the codec's clock, though it says 8000.
    scale = 6 if ours == "opus" else 1
    assert all(60 <= length // scale <= 400 for length in presser.lengths_ms), presser.lengths_ms
