"""The leg actor: brings the call up, waits for its end, says goodbye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from actors.call.cause import CallStatus, Cause, Party, Reason
from actors.call.errors import LegEnded
from actors.runtime import ActorFn, Context, last_words

if TYPE_CHECKING:
    from actors.call.call import Call

GOODBYE_S = 1.9
"""How long a farewell may take: a little less than the leg's cleanup budget, so that it never looks stuck."""


def leg_actor(call: Call) -> ActorFn[Any]:
    """The actor function for the leg of `call`. Ready when the call is answered.

    Being the significant child, it takes the call down by returning, and it returns when the far side hung
    up, `Call.hangup` was called, nobody answered, or the call lasted too long.
    """

    async def run(ctx: Context[Any]) -> None:
        try:
            await _until_over(call, ctx)
        except Exception as error:
            call.failed(Cause(Reason.CRASHED, Party.NODE, text=type(error).__name__))
            raise
        finally:
            with last_words(GOODBYE_S):
                await call.spec.leg.goodbye(call.why())
            call.spec.leg.close()

    return run


async def _until_over(call: Call, ctx: Context[Any]) -> None:
    async with trio.open_nursery() as nursery:

        async def hear_hangup() -> None:
            await call.hangup_wanted.wait()
            nursery.cancel_scope.cancel(reason="hangup")

        nursery.start_soon(hear_hangup)
        cause = await _live(call, ctx)
        call.hangup(cause)
        nursery.cancel_scope.cancel(reason="the leg is over")


async def _live(call: Call, ctx: Context[Any]) -> Cause:
    leg, spec = call.spec.leg, call.spec

    def ringing() -> None:
        if call.status is CallStatus.DIALING:
            call.move(CallStatus.RINGING)

    with trio.move_on_after(spec.ring_timeout_s):
        try:
            await leg.connect(ringing)
        except LegEnded as end:
            return end.cause
        call.move(CallStatus.IN_PROGRESS)
        ctx.started()
    if not call.answered:
        return Cause(Reason.NO_ANSWER, Party.NODE)
    with trio.move_on_after(spec.max_duration_s):
        return await leg.ended()
    return Cause(Reason.MAX_DURATION, Party.NODE)
