"""The agent that says what it hears."""

from __future__ import annotations

import attrs
import trio

from actors.call.ports import FRAME_MS, Conversation

LEAD_MS = 40
"""Silence ahead of the first frame, and again after the queue ran dry: it absorbs a late turn of ours."""
LIMIT_MS = 200
"""The longest that the caller waits for an echo. What would make it longer is not said."""


@attrs.frozen
class Echo:
    """An AgentPort that echoes until the call ends."""

    async def run(self, conversation: Conversation) -> None:
        """Say every frame of the uplink, in order; after a stall, only the newest of them."""
        while True:
            try:
                batch = await conversation.uplink.receive()
            except trio.EndOfChannel:
                return
            queued_ms = conversation.queued_ms
            if queued_ms == 0:
                await conversation.say(bytes(conversation.rate_hz * LEAD_MS // 1000 * 2))
                queued_ms = LEAD_MS
            room = (LIMIT_MS - queued_ms) // FRAME_MS
            if room > 0:
                await conversation.say(b"".join(frame.uplink for frame in batch.items[-room:]))
