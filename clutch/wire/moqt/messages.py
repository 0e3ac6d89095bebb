"""Control messages, one class each, with the fields of draft 18 (section 10), and what others have besides.

Draft 16 has one control stream, so its answers name their request: `request_id` of an answer is set there,
and None from draft 18 on, where the stream says it.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from clutch.wire.moqt import parameters as _parameters
from clutch.wire.moqt import properties as _properties
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.setup import Options


@attrs.frozen
class Setup:
    """SETUP: the first message of each side (CLIENT_SETUP and SERVER_SETUP in draft 16)."""

    options: Options
    client: bool | None = None
    """Who sends it: written and read by draft 16, None from draft 18 on."""


@attrs.frozen
class Goaway:
    """GOAWAY: the sender will soon end the session, or (on a request's stream) wants the request moved."""

    uri: str = ""
    """Where to go on; empty: the same URI. Always empty from a client."""
    timeout_ms: int = 0
    """How long the sender waits; 0: not said. Not in draft 16."""
    request_id: int | None = None
    """First request of the peer that was not processed; only on the control stream of draft 18."""


@attrs.frozen
class Subscribe:
    """SUBSCRIBE: send me the new objects of a track."""

    request_id: int
    name: FullTrackName
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class SubscribeOk:
    """SUBSCRIBE_OK."""

    track_alias: int
    parameters: Parameters = _parameters.NONE
    properties: Properties = _properties.NONE
    request_id: int | None = None


@attrs.frozen
class Publish:
    """PUBLISH: I offer the objects of a track."""

    request_id: int
    name: FullTrackName
    track_alias: int
    parameters: Parameters = _parameters.NONE
    properties: Properties = _properties.NONE


@attrs.frozen
class RequestOk:
    """REQUEST_OK, the plain yes. Of draft 18 it is also PUBLISH_OK; `PublishOk` is draft 16's."""

    parameters: Parameters = _parameters.NONE
    properties: Properties = _properties.NONE
    """Of the track, in answer to TRACK_STATUS only; not in draft 16."""
    request_id: int | None = None


@attrs.frozen
class PublishOk:
    """PUBLISH_OK of draft 16."""

    request_id: int
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class Redirect:
    """Where a request may succeed (section 10.6.1)."""

    uri: str = ""
    """Empty: the same URI. Always empty towards a server."""
    name: FullTrackName | None = None
    """The track to ask for there (with an empty name, the namespace); None: the same."""


@attrs.frozen
class RequestError_:
    """REQUEST_ERROR."""

    code: int
    """A `RequestError`, or a number that nobody knows."""
    retry_ms: int | None = None
    """When it may be tried again, at the earliest; None: never."""
    reason: str = ""
    """At most 1024 bytes of UTF-8; cut when written."""
    redirect: Redirect | None = None
    """With code REDIRECT only; not in draft 16."""
    request_id: int | None = None


@attrs.frozen
class RequestUpdate:
    """REQUEST_UPDATE: change the parameters of a request."""

    request_id: int
    """Its own."""
    parameters: Parameters = _parameters.NONE
    existing_request_id: int | None = None
    """Draft 16: the request to be changed."""


@attrs.frozen
class PublishDone:
    """PUBLISH_DONE: the last message of a subscription."""

    status: int
    """A `DoneStatus`, or a number that nobody knows."""
    stream_count: int | None = None
    """Data streams that were opened for it; None: the publisher cannot tell."""
    reason: str = ""
    """At most 1024 bytes of UTF-8; cut when written."""
    request_id: int | None = None


@attrs.frozen
class StandaloneFetch:
    """A range of a track, by itself."""

    name: FullTrackName
    start: Location
    end: Location
    """Group, and last object + 1; object 0: the whole group."""
    groups: int | None = None
    """Draft 20 only, and then `start` is {0, 0}: from so many groups before the next one on."""


@attrs.frozen
class JoiningFetch:
    """The range that ends where a subscription begins."""

    request_id: int
    """Of the subscription."""
    start: int
    """Groups before the subscription's largest if `relative`, else the group ID."""
    relative: bool = True


@attrs.frozen
class Fetch:
    """FETCH: send me objects of the past."""

    request_id: int
    range: StandaloneFetch | JoiningFetch
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class FetchOk:
    """FETCH_OK."""

    end_of_track: bool
    """Everything of the track was published, and `end` is its end."""
    end: Location
    """As in `StandaloneFetch`."""
    parameters: Parameters = _parameters.NONE
    properties: Properties = _properties.NONE
    request_id: int | None = None


@attrs.frozen
class TrackStatus:
    """TRACK_STATUS: what SUBSCRIBE would be answered, without subscribing."""

    request_id: int
    name: FullTrackName
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class PublishNamespace:
    """PUBLISH_NAMESPACE: I have tracks in a namespace."""

    request_id: int
    namespace: Namespace
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class SubscribeNamespace:
    """SUBSCRIBE_NAMESPACE: tell me the namespaces under a prefix."""

    request_id: int
    prefix: Namespace
    parameters: Parameters = _parameters.NONE
    options: int | None = None
    """Draft 16's Subscribe Options: 0 PUBLISH (what later became SUBSCRIBE_TRACKS), 1 NAMESPACE, 2 both."""


@attrs.frozen
class SubscribeTracks:
    """SUBSCRIBE_TRACKS: PUBLISH me the tracks under a prefix; see `SubscribeNamespace` for draft 16."""

    request_id: int
    prefix: Namespace
    parameters: Parameters = _parameters.NONE


@attrs.frozen
class NamespaceFound:
    """NAMESPACE: there is a namespace under the prefix."""

    suffix: Namespace


@attrs.frozen
class NamespaceDone:
    """NAMESPACE_DONE: it is gone."""

    suffix: Namespace


@attrs.frozen
class PublishBlocked:
    """PUBLISH_BLOCKED: a track that SUBSCRIBE_TRACKS asked for will not be published (no stream is free)."""

    suffix: Namespace
    name: bytes


@attrs.frozen
class PublishStateNotify:
    """PUBLISH_STATE_NOTIFY of draft 20: a publisher tells what changed in a subscription; not answered."""

    parameters: Parameters = _parameters.NONE


@attrs.frozen
class MaxRequestId:
    """MAX_REQUEST_ID of draft 16: your request IDs must stay below it."""

    request_id: int


@attrs.frozen
class RequestsBlocked:
    """REQUESTS_BLOCKED of draft 16: I would ask more, but for this MAX_REQUEST_ID."""

    request_id: int


@attrs.frozen
class Unsubscribe:
    """UNSUBSCRIBE of draft 16."""

    request_id: int


@attrs.frozen
class FetchCancel:
    """FETCH_CANCEL of draft 16."""

    request_id: int


@attrs.frozen
class PublishNamespaceDone:
    """PUBLISH_NAMESPACE_DONE of draft 16: the publisher takes it back."""

    request_id: int


@attrs.frozen
class PublishNamespaceCancel:
    """PUBLISH_NAMESPACE_CANCEL of draft 16: the subscriber takes its yes back."""

    request_id: int
    code: int
    """A `RequestError`, or a number that nobody knows."""
    reason: str = ""


Message: TypeAlias = (
    Setup
    | Goaway
    | Subscribe
    | SubscribeOk
    | Publish
    | PublishOk
    | RequestOk
    | RequestError_
    | RequestUpdate
    | PublishDone
    | Fetch
    | FetchOk
    | TrackStatus
    | PublishNamespace
    | SubscribeNamespace
    | SubscribeTracks
    | NamespaceFound
    | NamespaceDone
    | PublishBlocked
    | PublishStateNotify
    | MaxRequestId
    | RequestsBlocked
    | Unsubscribe
    | FetchCancel
    | PublishNamespaceDone
    | PublishNamespaceCancel
)
"""Every control message of every draft."""
