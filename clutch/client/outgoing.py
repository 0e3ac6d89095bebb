"""What is published, on one connection: offered by PUBLISH, or served to whoever asks."""

from __future__ import annotations

import attrs

from clutch.client.attempts import Attempts
from clutch.client.output import Output
from clutch.client.publication import Publication
from clutch.client.roster import Roster
from clutch.net.moqt.session import MoqtSession
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_request import Answer, Kind, Request

UNWANTED = frozenset({RequestError.UNINTERESTED, RequestError.DUPLICATE_SUBSCRIPTION})


@attrs.define(eq=False)
class Outgoing:
    """The publishing half of a connection.

    Each track is offered by PUBLISH. A peer that answers NOT_SUPPORTED gets its namespace instead, and asks
    for the tracks that it wants.
    """

    session: MoqtSession = attrs.field(repr=False)
    _roster: Roster = attrs.field(repr=False)
    _attempts: Attempts = attrs.field(repr=False)
    _by_namespace: str = attrs.field(init=False, default="")
    """Why the peer takes no PUBLISH; empty if it may."""
    _publishes: bool = attrs.field(init=False, default=False)
    """It has taken one."""
    _listeners: list[Request] = attrs.field(init=False, factory=list)
    """The peer's SUBSCRIBE_NAMESPACE requests."""
    _announced: dict[Namespace, Request] = attrs.field(init=False, factory=dict)
    """Our PUBLISH_NAMESPACE requests."""
    _joining: list[Output] = attrs.field(init=False, factory=list)
    """Whose forward state has changed in this batch."""

    def add(self, publication: Publication) -> None:
        """Offer a track, unless it is over or offered already."""
        if publication.over or self.session.going_away or self._outputs(publication):
            return
        namespace = publication.name.namespace
        if self._by_namespace:
            publication.refusal = self._by_namespace
            self._announce(namespace)
            return
        for listener in self._listeners:
            self._tell(listener, namespace)
        request = self.session.publish(publication.name, Parameters(), publication.properties)
        self._connect(publication, request)

    def drop(self, publication: Publication) -> None:
        """The track has ended."""
        for output in self._outputs(publication):
            self._end(output, publication)
        namespace = publication.name.namespace
        if namespace not in self._roster.namespaces():
            if (request := self._announced.pop(namespace, None)) is not None:
                self.session.cancel(request)
            for listener in self._listeners:
                self.session.withdraw(listener, namespace[len(listener.namespace) :])

    def asked(self, request: Request) -> None:
        """The peer wants to know what is published, or to have it."""
        if request.kind in (Kind.SUBSCRIBE_NAMESPACE, Kind.SUBSCRIBE_TRACKS):
            self._listen(request)
            return
        publication = self._roster.publications.get(request.name) if request.kind is not Kind.FETCH else None
        if request.kind is Kind.FETCH:
            self.session.reject(request, RequestError.NOT_SUPPORTED, "there is no past of this track here")
        elif publication is None:
            self.session.reject(request, RequestError.DOES_NOT_EXIST, "no such track")
        else:
            largest = Parameters(largest=publication.largest)
            self.session.accept(request, parameters=largest, properties=publication.properties)
            if request.kind is Kind.SUBSCRIBE:
                self._connect(publication, request)

    def answered(self, request: Request, message: Answer) -> None:
        """The peer has answered an offer."""
        if not isinstance(message, RequestError_):
            self._attempts.succeeded(request.context)
            self._publishes |= request.kind is Kind.PUBLISH
            if isinstance(request.context, Publication):
                self._joining += [out for out in self._outputs(request.context) if out.request is request]
        elif isinstance(request.context, Publication):
            self._refused(request, request.context, message)
        elif not self._attempts.again(
            request.context, lambda: self._announce_again(request.context), message
        ):
            for publication in self._in(request.context):
                publication.refuse(message.code, message.reason)

    def updated(self, request: Request) -> None:
        """The peer changes its subscription; what holds is known at the end of the batch."""
        if isinstance(request.context, Publication):
            self._joining += [out for out in self._outputs(request.context) if out.request is request]

    def cancelled(self, request: Request) -> None:
        """The peer wants it no more, or its stream has died: offer it again, later."""
        if request in self._listeners:
            self._listeners.remove(request)
        elif isinstance(publication := request.context, Publication):
            self._forget(request, publication)
            if request.local:
                self._attempts.again(publication, lambda: self.add(publication))
        elif self._announced.get(request.context) is request:
            self._attempts.again(request.context, lambda: self._announce_again(request.context))

    def batch_end(self) -> None:
        """Everything that came together has been said."""
        joining, self._joining = self._joining, []
        for output in joining:
            output.request.context.join(output)

    def writable(self) -> None:
        """There is room again."""
        for publication in list(self._roster.publications.values()):
            for output in self._outputs(publication):
                if output.stalled:
                    publication.join(output)

    def closed(self) -> None:
        """The connection is over."""
        for publication in self._roster.publications.values():
            publication.outputs = [out for out in publication.outputs if out.session is not self.session]

    def _refused(self, request: Request, publication: Publication, message: RequestError_) -> None:
        self._forget(request, publication)
        if message.code == RequestError.NOT_SUPPORTED:
            reason = message.reason or "it takes no PUBLISH"
            self._by_namespace = "" if self._publishes else reason
            publication.refusal = "" if self._outputs(publication) else reason
            self._announce(publication.name.namespace)
            return
        publication.refusal = message.reason or "refused"
        if message.retry_ms is None and message.code in UNWANTED:
            pass  # who wants it later will ask for it
        elif not self._attempts.again(publication, lambda: self.add(publication), message):
            publication.refuse(message.code, message.reason)

    def _connect(self, publication: Publication, request: Request) -> None:
        request.context = publication
        output = Output(self.session, request)
        publication.outputs.append(output)
        publication.join(output)

    def _forget(self, request: Request, publication: Publication) -> None:
        publication.outputs = [out for out in publication.outputs if out.request is not request]
        publication.wake()

    def _end(self, output: Output, publication: Publication) -> None:
        output.end()
        self._forget(output.request, publication)
        self.session.finish(output.request, DoneStatus.TRACK_ENDED, "")

    def _outputs(self, publication: Publication) -> list[Output]:
        return [output for output in publication.outputs if output.session is self.session]

    def _in(self, namespace: Namespace) -> list[Publication]:
        return [found for name, found in self._roster.publications.items() if name.namespace == namespace]

    def _listen(self, request: Request) -> None:
        self.session.accept(request)
        if request.kind is Kind.SUBSCRIBE_NAMESPACE:
            self._listeners.append(request)
            for namespace in self._roster.namespaces():
                self._tell(request, namespace)

    def _tell(self, listener: Request, namespace: Namespace) -> bool:
        prefix = listener.namespace
        if namespace[: len(prefix)] != prefix:
            return False
        self.session.announce(listener, namespace[len(prefix) :])
        return True

    def _announce(self, namespace: Namespace) -> None:
        """To who listens; else by PUBLISH_NAMESPACE, once: a peer that listens wants no other way."""
        told = [self._tell(listener, namespace) for listener in self._listeners]
        if not any(told) and namespace not in self._announced:
            request = self.session.publish_namespace(namespace, Parameters())
            request.context = namespace
            self._announced[namespace] = request

    def _announce_again(self, namespace: Namespace) -> None:
        self._announced.pop(namespace, None)
        if namespace in self._roster.namespaces() and not self.session.going_away:
            self._announce(namespace)
