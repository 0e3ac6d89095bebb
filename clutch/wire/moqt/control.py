"""The control messages of each draft: which types there are, and how their fields are laid out."""

from __future__ import annotations

from clutch.wire.moqt import parameter_tables
from clutch.wire.moqt.codes import CodeTable, DoneStatus, RequestError
from clutch.wire.moqt.errors import violation
from clutch.wire.moqt.fields import Reader, Writer
from clutch.wire.moqt.layout import (
    END_OF_TRACK,
    LOCATION_END,
    NAME,
    PROPERTIES,
    REASON,
    REDIRECT,
    RETRY,
    STREAM_COUNT,
    URI,
    Field,
    Layout,
    code,
    namespace,
    number,
    optional_number,
    parameters,
    range_,
    track,
)
from clutch.wire.moqt.messages import (
    Fetch,
    FetchCancel,
    FetchOk,
    Goaway,
    MaxRequestId,
    NamespaceDone,
    NamespaceFound,
    Publish,
    PublishBlocked,
    PublishDone,
    PublishNamespace,
    PublishNamespaceCancel,
    PublishNamespaceDone,
    PublishOk,
    RequestError_,
    RequestOk,
    RequestsBlocked,
    RequestUpdate,
    Setup,
    Subscribe,
    SubscribeNamespace,
    SubscribeOk,
    SubscribeTracks,
    TrackStatus,
    Unsubscribe,
)
from clutch.wire.moqt.setup import Options
from clutch.wire.moqt.setup_codec import options_pairs, read_options

SETUP = 0x2F00
"""Type of SETUP, and so of the control stream, from draft 17 on."""

_ID = number("request_id")
_ALIAS = number("track_alias")

_ANSWERS_16 = ("REQUEST_UPDATE_OK", "TRACK_STATUS_OK", "SUBSCRIBE_NAMESPACE_OK", "PUBLISH_NAMESPACE_OK")
_ANSWERS_18 = (*_ANSWERS_16, "PUBLISH_OK", "SUBSCRIBE_TRACKS_OK")


def _options_18(reader: Reader) -> Options:
    return read_options(reader.pairs(), reader.integer, request_ids=False)


def _put_options_18(writer: Writer, options: Options) -> None:
    writer.pairs(options_pairs(options, writer.integer, request_ids=False))


def _options_16(reader: Reader) -> Options:
    count = reader.varint()
    pairs = reader.pairs()
    if len(pairs) != count:
        raise violation(f"{len(pairs)} setup parameters, not {count}")
    return read_options(pairs, reader.integer, request_ids=True)


def _put_options_16(writer: Writer, options: Options) -> None:
    pairs = options_pairs(options, writer.integer, request_ids=True)
    writer.varint(len(pairs))
    writer.pairs(pairs)


def layouts_18() -> tuple[Layout, ...]:
    """Draft 18, section 10."""
    table = parameter_tables.DRAFT_18
    errors, statuses = CodeTable(RequestError), CodeTable(DoneStatus)
    answer = (parameters(table, *_ANSWERS_18), PROPERTIES)
    return (
        Layout(SETUP, "SETUP", Setup, (Field("options", _options_18, _put_options_18),)),
        Layout(0x10, "GOAWAY", Goaway, (URI, number("timeout_ms"), optional_number("request_id"))),
        Layout(0x3, "SUBSCRIBE", Subscribe, (_ID, track("name", 0), parameters(table, "SUBSCRIBE"))),
        Layout(0x4, "SUBSCRIBE_OK", SubscribeOk, (_ALIAS, parameters(table, "SUBSCRIBE_OK"), PROPERTIES)),
        Layout(
            0x1D,
            "PUBLISH",
            Publish,
            (_ID, track("name", 0), _ALIAS, parameters(table, "PUBLISH"), PROPERTIES),
        ),
        # Still in the list of types, though REQUEST_OK is what is written: read like it.
        Layout(0x1E, "PUBLISH_OK", RequestOk, answer),
        Layout(0x7, "REQUEST_OK", RequestOk, answer),
        Layout(0x5, "REQUEST_ERROR", RequestError_, (code("code", errors), RETRY, REASON, REDIRECT)),
        Layout(0x2, "REQUEST_UPDATE", RequestUpdate, (_ID, parameters(table, "REQUEST_UPDATE"))),
        Layout(0xB, "PUBLISH_DONE", PublishDone, (code("status", statuses), STREAM_COUNT, REASON)),
        Layout(0x16, "FETCH", Fetch, (_ID, range_(0), parameters(table, "FETCH"))),
        Layout(
            0x18,
            "FETCH_OK",
            FetchOk,
            (END_OF_TRACK, LOCATION_END, parameters(table, "FETCH_OK"), PROPERTIES),
        ),
        Layout(0xD, "TRACK_STATUS", TrackStatus, (_ID, track("name", 0), parameters(table, "TRACK_STATUS"))),
        Layout(
            0x6,
            "PUBLISH_NAMESPACE",
            PublishNamespace,
            (_ID, namespace("namespace"), parameters(table, "PUBLISH_NAMESPACE")),
        ),
        Layout(
            0x50,
            "SUBSCRIBE_NAMESPACE",
            SubscribeNamespace,
            (_ID, namespace("prefix"), parameters(table, "SUBSCRIBE_NAMESPACE")),
        ),
        Layout(
            0x51,
            "SUBSCRIBE_TRACKS",
            SubscribeTracks,
            (_ID, namespace("prefix"), parameters(table, "SUBSCRIBE_TRACKS")),
        ),
        Layout(0x8, "NAMESPACE", NamespaceFound, (namespace("suffix"),)),
        Layout(0xE, "NAMESPACE_DONE", NamespaceDone, (namespace("suffix"),)),
        Layout(0xF, "PUBLISH_BLOCKED", PublishBlocked, (namespace("suffix"), NAME)),
    )


def layouts_16() -> tuple[Layout, ...]:
    """Draft 16, section 9."""
    table = parameter_tables.DRAFT_16
    # What draft 16 has no number for is written as the nearest that it has.
    errors = CodeTable(
        RequestError,
        {
            RequestError.GOING_AWAY: RequestError.INTERNAL_ERROR,
            RequestError.EXCESSIVE_LOAD: RequestError.INTERNAL_ERROR,
            RequestError.NAMESPACE_TOO_LARGE: RequestError.NOT_SUPPORTED,
            RequestError.UNSUPPORTED_EXTENSION: RequestError.NOT_SUPPORTED,
            RequestError.REDIRECT: RequestError.DOES_NOT_EXIST,
        },
    )
    statuses = CodeTable(
        DoneStatus,
        {
            DoneStatus.EXPIRED: 0x5,
            DoneStatus.TOO_FAR_BEHIND: 0x6,
            DoneStatus.EXCESSIVE_LOAD: DoneStatus.INTERNAL_ERROR,
        },
        {0x5: DoneStatus.EXPIRED, 0x6: DoneStatus.TOO_FAR_BEHIND},
    )
    options = (Field("options", _options_16, _put_options_16),)
    return (
        Layout(0x20, "CLIENT_SETUP", Setup, options, {"client": True}),
        Layout(0x21, "SERVER_SETUP", Setup, options, {"client": False}),
        Layout(0x10, "GOAWAY", Goaway, (URI,)),
        Layout(0x15, "MAX_REQUEST_ID", MaxRequestId, (_ID,)),
        Layout(0x1A, "REQUESTS_BLOCKED", RequestsBlocked, (_ID,)),
        Layout(0x7, "REQUEST_OK", RequestOk, (_ID, parameters(table, *_ANSWERS_16))),
        Layout(0x5, "REQUEST_ERROR", RequestError_, (_ID, code("code", errors), RETRY, REASON)),
        Layout(0x3, "SUBSCRIBE", Subscribe, (_ID, track("name", 1), parameters(table, "SUBSCRIBE"))),
        Layout(
            0x4,
            "SUBSCRIBE_OK",
            SubscribeOk,
            (_ID, _ALIAS, parameters(table, "SUBSCRIBE_OK"), PROPERTIES),
        ),
        Layout(
            0x2,
            "REQUEST_UPDATE",
            RequestUpdate,
            (_ID, number("existing_request_id"), parameters(table, "REQUEST_UPDATE")),
        ),
        Layout(0xA, "UNSUBSCRIBE", Unsubscribe, (_ID,)),
        Layout(
            0x1D,
            "PUBLISH",
            Publish,
            (_ID, track("name", 1), _ALIAS, parameters(table, "PUBLISH"), PROPERTIES),
        ),
        Layout(0x1E, "PUBLISH_OK", PublishOk, (_ID, parameters(table, "PUBLISH_OK"))),
        Layout(0xB, "PUBLISH_DONE", PublishDone, (_ID, code("status", statuses), STREAM_COUNT, REASON)),
        Layout(0x16, "FETCH", Fetch, (_ID, range_(1), parameters(table, "FETCH"))),
        Layout(
            0x18,
            "FETCH_OK",
            FetchOk,
            (_ID, END_OF_TRACK, LOCATION_END, parameters(table, "FETCH_OK"), PROPERTIES),
        ),
        Layout(0x17, "FETCH_CANCEL", FetchCancel, (_ID,)),
        Layout(0xD, "TRACK_STATUS", TrackStatus, (_ID, track("name", 1), parameters(table, "TRACK_STATUS"))),
        Layout(
            0x6,
            "PUBLISH_NAMESPACE",
            PublishNamespace,
            (_ID, namespace("namespace", 1), parameters(table, "PUBLISH_NAMESPACE")),
        ),
        Layout(0x9, "PUBLISH_NAMESPACE_DONE", PublishNamespaceDone, (_ID,)),
        Layout(0xC, "PUBLISH_NAMESPACE_CANCEL", PublishNamespaceCancel, (_ID, code("code", errors), REASON)),
        Layout(
            0x11,
            "SUBSCRIBE_NAMESPACE",
            SubscribeNamespace,
            (_ID, namespace("prefix"), number("options"), parameters(table, "SUBSCRIBE_NAMESPACE")),
        ),
        Layout(0x8, "NAMESPACE", NamespaceFound, (namespace("suffix"),)),
        Layout(0xE, "NAMESPACE_DONE", NamespaceDone, (namespace("suffix"),)),
    )
