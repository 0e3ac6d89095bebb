"""The person at a terminal phone: says a sound, presses keys, listens to the end."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import trio

from actors.call.ports import Conversation
from clutch.media.audio import Sound, level_dbfs

KEYS_AFTER_S = 0.5
"""When the keys are pressed, counted from the answer: some peers listen for them late."""
LISTEN_S = 1.0
"""How long to listen on after the last word, if no duration is given: an echo takes its time."""


@attrs.define(eq=False)
class Caller:
    """An AgentPort for an outgoing call. It hangs up after `duration_s`, counted from the answer; if there is
    none, when its sound has been said and listened to; if there is no sound either, never."""

    sound: Callable[[int], Sound] | None = None
    """Makes the sound at a rate in Hz."""
    keys: str = ""
    duration_s: float | None = None
    heard_dbfs: float = -math.inf
    """Level of the last frame that was heard, for a meter; likewise the next."""
    said_dbfs: float = -math.inf

    async def run(self, conversation: Conversation) -> None:
        """Talk, listen, hang up."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, conversation)
            nursery.start_soon(self._press, conversation)
            with trio.move_on_after(math.inf if self.duration_s is None else self.duration_s) as time_up:
                await self._talk(conversation)
                await trio.sleep_forever()
            if time_up.cancelled_caught:
                conversation.hangup()

    async def _talk(self, conversation: Conversation) -> None:
        if self.sound is not None:
            await conversation.say(self.sound(conversation.rate_hz).pcm)
            if self.duration_s is None:
                await trio.sleep(conversation.queued_ms / 1000 + LISTEN_S)
                conversation.hangup()

    async def _press(self, conversation: Conversation) -> None:
        if self.keys:
            await trio.sleep(KEYS_AFTER_S)
            conversation.send_dtmf(self.keys)

    async def _listen(self, conversation: Conversation) -> None:
        async for frame in conversation.uplink:
            self.heard_dbfs = level_dbfs(frame.uplink)
            self.said_dbfs = level_dbfs(frame.downlink)
