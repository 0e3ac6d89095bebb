"""Actors on Trio nurseries: mailboxes, supervisors, pools. No telephony, no I/O, no globals.

May come in: what any structured-concurrency program could use. May not: anything that knows what a call is.
"""

from actors.runtime.child import ActorFn, ChildSpec, Context, OnLimit, Restart
from actors.runtime.errors import (
    ActorError,
    ActorGone,
    AskTimeout,
    MailboxFull,
    NameTaken,
    PoolClosed,
    PoolFull,
    RestartLimitExceeded,
)
from actors.runtime.last_words import last_words
from actors.runtime.lossy import Batch, LossyReceiver, LossySender, open_lossy, open_lossy_channels
from actors.runtime.mailbox import Ref, Reply
from actors.runtime.observe import (
    Exit,
    Exited,
    Observatory,
    ObserverFailed,
    Outcome,
    Restarting,
    Started,
    Stuck,
)
from actors.runtime.pool import Pool
from actors.runtime.supervisor import AutoShutdown, Intensity, Strategy, Supervisor
from actors.runtime.system import System, open_system

__all__ = [
    "ActorError",
    "ActorFn",
    "ActorGone",
    "AskTimeout",
    "AutoShutdown",
    "Batch",
    "ChildSpec",
    "Context",
    "Exit",
    "Exited",
    "Intensity",
    "LossyReceiver",
    "LossySender",
    "MailboxFull",
    "NameTaken",
    "Observatory",
    "ObserverFailed",
    "OnLimit",
    "Outcome",
    "Pool",
    "PoolClosed",
    "PoolFull",
    "Ref",
    "Reply",
    "Restart",
    "RestartLimitExceeded",
    "Restarting",
    "Started",
    "Strategy",
    "Stuck",
    "Supervisor",
    "System",
    "last_words",
    "open_lossy",
    "open_lossy_channels",
    "open_system",
]
