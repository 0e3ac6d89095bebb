"""Which message parameters each draft has, how they are written, and in which messages (section 10.2)."""

from __future__ import annotations

from clutch.wire.moqt.parameter_codec import (
    BLOB,
    FLAG,
    FLAG_VARINT,
    LARGEST_16,
    LOCATION,
    LOCATION_FILTER,
    NAMESPACE,
    ORDER,
    ORDER_VARINT,
    PRIORITY_VARINT,
    SUBSCRIPTION_FILTER_16,
    SUBSCRIPTION_FILTER_18,
    TIMEOUT_16,
    TOKEN,
    UINT8,
    VARINT,
    Kind,
    Parameter,
    ParameterTable,
    range_filter,
)

SUBSCRIPTION = ("SUBSCRIBE", "PUBLISH_OK", "REQUEST_UPDATE")
"""Messages in which a subscriber says how it wants a subscription."""


def _at(type_: int, field: str, kind: Kind, *messages: str) -> Parameter:
    return Parameter(type_, field, kind, frozenset(messages))


_AUTHORIZED = (
    "PUBLISH",
    "SUBSCRIBE",
    "REQUEST_UPDATE",
    "SUBSCRIBE_NAMESPACE",
    "PUBLISH_NAMESPACE",
    "TRACK_STATUS",
    "FETCH",
)

DRAFT_16 = ParameterTable.of(
    _at(0x02, "delivery_timeout_ms", TIMEOUT_16, *SUBSCRIPTION),
    _at(0x03, "authorization", TOKEN, *_AUTHORIZED),
    _at(0x08, "expires_ms", VARINT, "SUBSCRIBE_OK", "PUBLISH", "PUBLISH_OK", "REQUEST_UPDATE_OK"),
    _at(
        0x09,
        "largest",
        LARGEST_16,
        "SUBSCRIBE_OK",
        "PUBLISH",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
    ),
    _at(
        0x10,
        "forward",
        FLAG_VARINT,
        *SUBSCRIPTION,
        "PUBLISH",
        "SUBSCRIBE_NAMESPACE",
    ),
    _at(0x20, "subscriber_priority", PRIORITY_VARINT, *SUBSCRIPTION, "FETCH"),
    _at(
        0x21,
        "filter",
        SUBSCRIPTION_FILTER_16,
        *SUBSCRIPTION,
    ),
    _at(
        0x22,
        "group_order",
        ORDER_VARINT,
        "SUBSCRIBE",
        "PUBLISH_OK",
        "FETCH",
    ),
    _at(0x32, "new_group_request", VARINT, *SUBSCRIPTION),
    strict=False,
)

DRAFT_18 = ParameterTable.of(
    _at(0x02, "delivery_timeout_ms", VARINT, *SUBSCRIPTION),
    _at(0x03, "authorization", TOKEN, *_AUTHORIZED, "SUBSCRIBE_TRACKS"),
    _at(0x04, "rendezvous_timeout_ms", VARINT, "SUBSCRIBE"),
    _at(0x06, "subgroup_delivery_timeout_ms", VARINT, *SUBSCRIPTION),
    # TRACK_STATUS_OK carries what SUBSCRIBE_OK would (section 10.14), though EXPIRES does not list it.
    _at(
        0x08,
        "expires_ms",
        VARINT,
        "SUBSCRIBE_OK",
        "PUBLISH",
        "PUBLISH_OK",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
    ),
    _at(0x09, "largest", LOCATION, "SUBSCRIBE_OK", "PUBLISH", "REQUEST_UPDATE_OK", "TRACK_STATUS_OK"),
    _at(0x0A, "fill_timeout_ms", VARINT, "FETCH"),
    _at(0x10, "forward", FLAG, *SUBSCRIPTION, "PUBLISH", "SUBSCRIBE_TRACKS"),
    _at(0x20, "subscriber_priority", UINT8, *SUBSCRIPTION, "FETCH"),
    _at(
        0x21,
        "filter",
        SUBSCRIPTION_FILTER_18,
        *SUBSCRIPTION,
    ),
    _at(
        0x22,
        "group_order",
        ORDER,
        "SUBSCRIBE",
        "PUBLISH_OK",
        "FETCH",
    ),
    _at(0x32, "new_group_request", VARINT, *SUBSCRIPTION),
    _at(0x34, "prefix", NAMESPACE, "REQUEST_UPDATE"),
    strict=True,
)

# The editor's copy of 2026-08-21, and for FETCH and FILL_PARAMETERS the proposal (#1673) behind it.
_SUBSCRIBING = ("SUBSCRIBE", "REQUEST_UPDATE", "SUBSCRIBE_TRACKS")
_STATED = (*_SUBSCRIBING, "PUBLISH", "PUBLISH_STATE_NOTIFY")

DRAFT_20 = ParameterTable.of(
    _at(0x02, "delivery_timeout_ms", VARINT, *_SUBSCRIBING, "PUBLISH"),
    _at(0x03, "authorization", TOKEN, *_AUTHORIZED, "SUBSCRIBE_TRACKS"),
    _at(0x04, "rendezvous_timeout_ms", VARINT, "SUBSCRIBE", "SUBSCRIBE_TRACKS"),
    _at(0x06, "subgroup_delivery_timeout_ms", VARINT, *_SUBSCRIBING, "PUBLISH"),
    _at(
        0x08,
        "expires_ms",
        VARINT,
        "SUBSCRIBE_OK",
        "PUBLISH",
        "PUBLISH_OK",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
        "SUBSCRIBE_NAMESPACE_OK",
        "SUBSCRIBE_TRACKS_OK",
        "PUBLISH_NAMESPACE_OK",
    ),
    _at(
        0x09,
        "largest",
        LOCATION,
        "SUBSCRIBE_OK",
        "PUBLISH",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
        "PUBLISH_STATE_NOTIFY",
    ),
    _at(0x0A, "fill_timeout_ms", VARINT, "FETCH"),
    _at(0x10, "forward", FLAG, *_STATED),
    _at(0x20, "subscriber_priority", UINT8, *_SUBSCRIBING, "PUBLISH", "FETCH"),
    _at(
        0x21,
        "filter",
        LOCATION_FILTER,
        *_STATED,
        "FETCH",
    ),
    _at(
        0x22,
        "group_order",
        ORDER,
        "SUBSCRIBE",
        "PUBLISH",
        "SUBSCRIBE_TRACKS",
        "FETCH",
    ),
    _at(
        0x23,
        "fill",
        BLOB,
        *_SUBSCRIBING,
    ),
    *(
        _at(type_, "range_filters", range_filter(type_), *_SUBSCRIBING, "FETCH")
        for type_ in range(0x25, 0x29)
    ),
    _at(0x29, "range_filters", range_filter(0x29), "SUBSCRIBE_TRACKS", "REQUEST_UPDATE"),
    _at(0x32, "new_group_request", VARINT, *_SUBSCRIBING),
    _at(0x34, "prefix", NAMESPACE, "REQUEST_UPDATE"),
    _at(
        0x35,
        "include_properties",
        FLAG,
        "SUBSCRIBE",
        "TRACK_STATUS",
        "FETCH",
        "SUBSCRIBE_TRACKS",
    ),
    strict=True,
)
