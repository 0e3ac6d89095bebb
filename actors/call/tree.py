"""The tree of actors that carries a call: who stands under whom, and how long each may take to stop."""

from __future__ import annotations

from typing import Any

from actors.call.agent import agent_actor
from actors.call.bridge import bridge_actor
from actors.call.call import Call
from actors.call.leg import leg_actor
from actors.call.recorder import recorder_actor
from actors.runtime import (
    ActorFn,
    AutoShutdown,
    ChildSpec,
    Context,
    Intensity,
    OnLimit,
    Restart,
    Strategy,
    Supervisor,
)

# What each actor of a call may take to stop, in seconds: (grace, cleanup). The sum is the promise that a
# call is gone within 4 s whatever hangs; tests/lifecycle holds it.
AGENT_BUDGET_S = (0.2, 0.2)
BRIDGE_BUDGET_S = (0.0, 0.2)
RECORDER_BUDGET_S = (1.0, 0.2)
LEG_BUDGET_S = (0.0, 2.0)
CALL_BUDGET_S = sum(map(sum, (AGENT_BUDGET_S, BRIDGE_BUDGET_S, RECORDER_BUDGET_S, LEG_BUDGET_S)))


def call_actor(call: Call) -> ActorFn[Any]:
    """The actor function of a whole call: its tree, and exactly one final status after the tree is down."""

    async def run(ctx: Context[Any]) -> None:
        call.begin(ctx)
        try:
            await _tree(call).run(ctx)
        finally:
            call.finish()

    return run


def _tree(call: Call) -> Supervisor:
    spec = call.spec
    children: list[ChildSpec[Any]] = [
        _child("leg", leg_actor(call), LEG_BUDGET_S, Restart.TEMPORARY, significant=True)
    ]
    if spec.recording is not None:
        run = recorder_actor(call.sid, spec.recording)
        children.append(_child("recorder", run, RECORDER_BUDGET_S, Restart.TEMPORARY))
    children.append(_child("bridge", bridge_actor(call), BRIDGE_BUDGET_S, Restart.TRANSIENT))
    if spec.agent is not None:
        on_limit = OnLimit.DROP if spec.on_agent_failure == "continue" else OnLimit.ESCALATE
        run = agent_actor(call, spec.agent)
        children.append(_child("agent", run, AGENT_BUDGET_S, Restart.TRANSIENT, on_limit=on_limit))
    return Supervisor(children, Strategy.REST_FOR_ONE, Intensity(1, 10.0), AutoShutdown.ANY_SIGNIFICANT)


def _child(
    name: str, run: ActorFn[Any], budget_s: tuple[float, float], restart: Restart, **more: Any
) -> ChildSpec[Any]:
    return ChildSpec(name, run, restart, grace_s=budget_s[0], cleanup_s=budget_s[1], **more)
