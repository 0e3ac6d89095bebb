"""What can go wrong between actors, sorted by blame."""

from __future__ import annotations


class ActorError(Exception):
    """Base of every error of the runtime."""


class ActorGone(ActorError):
    """The actor behind a ref has ended for good, or ended before it could take or answer the message."""


class MailboxFull(ActorError):
    """`Ref.try_tell` found no room. Nothing was sent: say "busy" to whoever asked."""


class AskTimeout(ActorError):
    """An `ask` was not answered in time. The actor may still act on the message."""


class NameTaken(ActorError):
    """A living child of that name exists already."""


class PoolFull(ActorError):
    """The pool has reached its limit. Nothing was started."""


class PoolClosed(ActorError):
    """The pool is not running, or is stopping. Nothing was started."""


class RestartLimitExceeded(ActorError):
    """A supervisor restarted children too often and gave up; raised from the last error."""
