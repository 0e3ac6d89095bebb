"""The agent that hums."""

from __future__ import annotations

import attrs

from actors.call.ports import Conversation
from clutch.media.audio import tone


@attrs.frozen
class Tone:
    """An AgentPort that says a steady sine until the call ends."""

    frequency_hz: int = 440

    async def run(self, conversation: Conversation) -> None:
        """Hum without an end."""
        while True:
            # A second of a whole number of hertz joins the next without a click.
            await conversation.say(tone(self.frequency_hz, conversation.rate_hz).pcm)
