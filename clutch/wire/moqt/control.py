"""The control messages of each draft: which types there are, and how their fields are laid out."""

from __future__ import annotations

from collections.abc import Mapping

from clutch.wire.moqt import parameter_tables
from clutch.wire.moqt.codes import CodeTable, DoneStatus, RequestError
from clutch.wire.moqt.errors import violation
from clutch.wire.moqt.fetch_filter import join_fetch, split_fetch
from clutch.wire.moqt.fields import Reader, Writer
from clutch.wire.moqt.layout import (
    END,
    END_INCLUSIVE,
    END_OF_TRACK,
    NAME,
    PROPERTIES,
    PROPERTIES_16,
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
    PublishStateNotify,
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
from clutch.wire.moqt.parameter_codec import ParameterTable
from clutch.wire.moqt.setup import Options
from clutch.wire.moqt.setup_codec import NAMES_16, NAMES_18, NAMES_20, options_pairs, read_options

SETUP = 0x2F00
"""Type of SETUP, and so of the control stream, from draft 17 on."""

_ID = number("request_id")
_ALIAS = number("track_alias")

_ANSWERS_16 = ("REQUEST_UPDATE_OK", "TRACK_STATUS_OK", "SUBSCRIBE_NAMESPACE_OK", "PUBLISH_NAMESPACE_OK")
_ANSWERS_18 = (*_ANSWERS_16, "PUBLISH_OK", "SUBSCRIBE_TRACKS_OK")


def _options(names: Mapping[int, str], *, counted: bool = False) -> tuple[Field]:
    def read(reader: Reader) -> Options:
        count = reader.varint() if counted else None
        pairs = reader.pairs()
        if count is not None and len(pairs) != count:
            raise violation(f"{len(pairs)} setup parameters, not {count}")
        return read_options(pairs, reader.integer, names)

    def write(writer: Writer, options: Options) -> None:
        pairs = options_pairs(options, writer.integer, names)
        if counted:
            writer.varint(len(pairs))
        writer.pairs(pairs)

    return (Field("options", read, write),)


def layouts_18() -> tuple[Layout, ...]:
    """Draft 18, section 10."""
    table = parameter_tables.DRAFT_18
    return (
        # Still in the list of types, though REQUEST_OK is what is written: read like it.
        Layout(0x1E, "PUBLISH_OK", RequestOk, (parameters(table, *_ANSWERS_18), PROPERTIES)),
        *_with_request_streams(table, NAMES_18),
        Layout(0x10, "GOAWAY", Goaway, (URI, number("timeout_ms"), optional_number("request_id"))),
        Layout(0x16, "FETCH", Fetch, (_ID, range_(0), parameters(table, "FETCH"))),
        Layout(0x18, "FETCH_OK", FetchOk, (END_OF_TRACK, END, parameters(table, "FETCH_OK"), PROPERTIES)),
    )


def layouts_20() -> tuple[Layout, ...]:
    """Draft 20, as far as it is known: the editor's copy of 2026-08-21, and for FETCH the proposal #1673."""
    table = parameter_tables.DRAFT_20
    return (
        *_with_request_streams(table, NAMES_20),
        Layout(0x10, "GOAWAY", Goaway, (URI, number("timeout_ms"))),
        Layout(
            0x16,
            "FETCH",
            Fetch,
            (_ID, track("name", 0), parameters(table, "FETCH")),
            join=join_fetch,
            split=split_fetch,
        ),
        Layout(
            0x18,
            "FETCH_OK",
            FetchOk,
            (END_OF_TRACK, END_INCLUSIVE, parameters(table, "FETCH_OK"), PROPERTIES),
        ),
        Layout(
            0x22,
            "PUBLISH_STATE_NOTIFY",
            PublishStateNotify,
            (parameters(table, "PUBLISH_STATE_NOTIFY"),),
        ),
    )


def _with_request_streams(table: ParameterTable, names: Mapping[int, str]) -> tuple[Layout, ...]:
    """What drafts 18 and 20 have in common."""
    errors, statuses = CodeTable(RequestError), CodeTable(DoneStatus)
    return (
        Layout(SETUP, "SETUP", Setup, _options(names)),
        Layout(0x3, "SUBSCRIBE", Subscribe, (_ID, track("name", 0), parameters(table, "SUBSCRIBE"))),
        Layout(0x4, "SUBSCRIBE_OK", SubscribeOk, (_ALIAS, parameters(table, "SUBSCRIBE_OK"), PROPERTIES)),
        Layout(
            0x1D,
            "PUBLISH",
            Publish,
            (_ID, track("name", 0), _ALIAS, parameters(table, "PUBLISH"), PROPERTIES),
        ),
        Layout(0x7, "REQUEST_OK", RequestOk, (parameters(table, *_ANSWERS_18), PROPERTIES)),
        Layout(0x5, "REQUEST_ERROR", RequestError_, (code("code", errors), RETRY, REASON, REDIRECT)),
        Layout(0x2, "REQUEST_UPDATE", RequestUpdate, (_ID, parameters(table, "REQUEST_UPDATE"))),
        Layout(0xB, "PUBLISH_DONE", PublishDone, (code("status", statuses), STREAM_COUNT, REASON)),
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
    options = _options(NAMES_16, counted=True)
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
            (_ID, _ALIAS, parameters(table, "SUBSCRIBE_OK"), PROPERTIES_16),
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
            (_ID, track("name", 1), _ALIAS, parameters(table, "PUBLISH"), PROPERTIES_16),
        ),
        Layout(0x1E, "PUBLISH_OK", PublishOk, (_ID, parameters(table, "PUBLISH_OK"))),
        Layout(0xB, "PUBLISH_DONE", PublishDone, (_ID, code("status", statuses), STREAM_COUNT, REASON)),
        Layout(0x16, "FETCH", Fetch, (_ID, range_(1), parameters(table, "FETCH"))),
        Layout(
            0x18,
            "FETCH_OK",
            FetchOk,
            (_ID, END_OF_TRACK, END, parameters(table, "FETCH_OK"), PROPERTIES_16),
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
