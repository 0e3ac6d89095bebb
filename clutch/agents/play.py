"""The agent that plays one sound and hangs up."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from actors.call.ports import Conversation
from clutch.media.audio import Sound

TAIL_S = 0.2
"""Between the last sample sent and the hang-up: the far side still has to play what is on its way."""


@attrs.define(eq=False)
class Play:
    """An AgentPort that plays a sound once; one object may serve any number of calls."""

    source: Callable[[int], Sound]
    """Makes the sound at a rate in Hz, as `Sound.at` and `chime` do. Asked once for each rate."""
    _pcm: dict[int, bytes] = attrs.field(factory=dict)

    async def run(self, conversation: Conversation) -> None:
        """Play, let the caller hear the end of it, hang up."""
        rate_hz = conversation.rate_hz
        if rate_hz not in self._pcm:
            self._pcm[rate_hz] = self.source(rate_hz).pcm
        await conversation.say(self._pcm[rate_hz])
        await trio.sleep(conversation.queued_ms / 1000 + TAIL_S)
        conversation.hangup()
