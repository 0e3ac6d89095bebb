"""The agent that says what it hears."""

from __future__ import annotations

import attrs
import trio

from actors.call.ports import FRAME_MS, Conversation

LEAD_FRAMES = 3
"""What is queued when the echo begins, and again after the queue ran dry: it absorbs late turns of ours."""
LIMIT_FRAMES = 6
"""The longest that the caller waits for an echo. What would make it longer is not said."""


@attrs.frozen
class Echo:
    """An AgentPort that echoes until the call ends."""

    async def run(self, conversation: Conversation) -> None:
        """Say every frame of the uplink, in order; after a stall, only the newest of them.

        A stall has put a gap on the wire already. Saying all that came meanwhile would keep the echo late by
        as much for the rest of the call.
        """
        while True:
            try:
                batch = await conversation.uplink.receive()
            except trio.EndOfChannel:
                return
            frames = [frame.uplink for frame in batch.items]
            queued = conversation.queued_ms // FRAME_MS
            if queued == 0:
                silence = [bytes(len(frames[0]))] * LEAD_FRAMES
                frames = [*silence, *frames][-LEAD_FRAMES:]
            room = LIMIT_FRAMES - queued
            if room > 0:
                await conversation.say(b"".join(frames[-room:]))
