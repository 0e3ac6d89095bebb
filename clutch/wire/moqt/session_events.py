"""What a session tells its user, and the limits that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import Parameters, Token
from clutch.wire.moqt.session_request import Answer, Request
from clutch.wire.moqt.setup import Options

if TYPE_CHECKING:
    from clutch.wire.moqt.session_books import Refusal


@attrs.frozen
class Ready:
    """The peer's SETUP has come."""

    options: Options
    tokens: tuple[Token, ...]
    """Its authorization, aliases resolved."""


@attrs.frozen
class Requested:
    """The peer asks."""

    request: Request


@attrs.frozen
class Answered:
    """The peer has answered a request of this side."""

    request: Request
    message: Answer


@attrs.frozen
class Updated:
    """The peer asks for other parameters; `Requests.answer_update` answers."""

    request: Request
    parameters: Parameters
    refusal: Refusal | None = None
    """The answer that must be given."""


@attrs.frozen
class UpdateAnswered:
    """The peer has answered an update of this side."""

    request: Request
    message: m.RequestOk | m.RequestError_


@attrs.frozen
class Cancelled:
    """A request is over without an answer or PUBLISH_DONE: taken back, given up, or its stream has died."""

    request: Request
    code: int
    """Of the stream's end; 0 if it has none."""


@attrs.frozen
class Finished:
    """A subscription is over, and nothing of it will come any more."""

    request: Request
    done: m.PublishDone


@attrs.frozen
class Announced:
    """There is a namespace under a prefix that this side has subscribed to."""

    request: Request
    suffix: Namespace


@attrs.frozen
class Withdrawn:
    """It is gone."""

    request: Request
    suffix: Namespace


@attrs.frozen
class Blocked:
    """The peer cannot PUBLISH a track that this side wants."""

    request: Request
    suffix: Namespace
    name: bytes


@attrs.frozen
class GoingAway:
    """The peer wants the session, or one request, to go on elsewhere."""

    uri: str
    timeout_ms: int
    request: Request | None
    """None: the whole session."""


@attrs.frozen
class Failed:
    """The session cannot go on; close it with this code."""

    code: SessionError
    reason: str


Event: TypeAlias = (
    Ready
    | Requested
    | Answered
    | Updated
    | UpdateAnswered
    | Cancelled
    | Finished
    | Announced
    | Withdrawn
    | Blocked
    | GoingAway
    | Failed
)


@attrs.frozen
class SessionLimits:
    """What one peer may cost, in counts, bytes and seconds; what is above is answered as the draft says."""

    requests: int = 1_024
    """Requests of the peer that are open; above: EXCESSIVE_LOAD (draft 16: the ID is not granted)."""
    namespaces: int = 256
    """Of these, namespaces published and namespace subscriptions."""
    announced: int = 10_000
    """Namespaces that one subscription of this side is told of; above, it is taken back."""
    token_bytes: int = 16 << 10
    """MAX_AUTH_TOKEN_CACHE_SIZE."""
    object_bytes: int = 1 << 20
    """Payload of one object, and its properties; above: INTERNAL_ERROR closes the session."""
    control_unsent: int = 1 << 20
    """Control messages that the peer does not take; above: EXCESSIVE_LOAD closes their stream or session."""
    early_bytes: int = 1 << 20
    """Received and not usable yet: before SETUP, or of a track alias that is not known."""
    early_s: float = 2.0
    """How long the alias of such data may stay unknown."""
    setup_s: float = 10.0
    """How long the peer's SETUP may take."""
    answer_s: float = 30.0
    """How long an answer may take, besides RENDEZVOUS_TIMEOUT and FILL_TIMEOUT."""
    message_s: float = 10.0
    """How long a control message, or one object, may take from its first byte to its last."""
    linger_s: float = 2.0
    """How long data may come behind PUBLISH_DONE, if its stream count does not tell."""
