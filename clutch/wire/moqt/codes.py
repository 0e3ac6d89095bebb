"""Error and status codes, by the names and numbers of draft 18, and what other drafts write for them.

A code that nobody knows stays an int and is no error (draft 18 section 14, "Grease"): it means the same as
INTERNAL_ERROR.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import attrs


class SessionError(IntEnum):
    """Why a session is closed (section 3.5); the numbers are the same in all drafts."""

    NO_ERROR = 0x0
    INTERNAL_ERROR = 0x1
    UNAUTHORIZED = 0x2
    PROTOCOL_VIOLATION = 0x3
    INVALID_REQUEST_ID = 0x4
    DUPLICATE_TRACK_ALIAS = 0x5
    KEY_VALUE_FORMATTING_ERROR = 0x6
    TOO_MANY_REQUESTS = 0x7
    """Draft 16 only: a request ID at or above the MAX_REQUEST_ID that was given."""
    INVALID_PATH = 0x8
    MALFORMED_PATH = 0x9
    GOAWAY_TIMEOUT = 0x10
    CONTROL_MESSAGE_TIMEOUT = 0x11
    DATA_STREAM_TIMEOUT = 0x12
    AUTH_TOKEN_CACHE_OVERFLOW = 0x13
    DUPLICATE_AUTH_TOKEN_ALIAS = 0x14
    VERSION_NEGOTIATION_FAILED = 0x15
    MALFORMED_AUTH_TOKEN = 0x16
    UNKNOWN_AUTH_TOKEN_ALIAS = 0x17
    EXPIRED_AUTH_TOKEN = 0x18
    INVALID_AUTHORITY = 0x19
    MALFORMED_AUTHORITY = 0x1A
    TOO_MANY_REQUEST_UPDATES = 0x1B
    """From draft 19 on."""


class RequestError(IntEnum):
    """Why a request is refused (section 10.6)."""

    INTERNAL_ERROR = 0x0
    UNAUTHORIZED = 0x1
    TIMEOUT = 0x2
    NOT_SUPPORTED = 0x3
    MALFORMED_AUTH_TOKEN = 0x4
    EXPIRED_AUTH_TOKEN = 0x5
    GOING_AWAY = 0x6
    EXCESSIVE_LOAD = 0x9
    DOES_NOT_EXIST = 0x10
    INVALID_RANGE = 0x11
    MALFORMED_TRACK = 0x12
    DUPLICATE_SUBSCRIPTION = 0x19
    UNINTERESTED = 0x20
    PREFIX_OVERLAP = 0x30
    NAMESPACE_TOO_LARGE = 0x31
    INVALID_JOINING_REQUEST_ID = 0x32
    UNSUPPORTED_EXTENSION = 0x33
    REDIRECT = 0x34
    CONFLICTING_FILTERS = 0x35
    """From draft 19 on."""
    INVALID_FILTER = 0x36
    """From draft 19 on."""


class DoneStatus(IntEnum):
    """Why a publisher ended a subscription, in PUBLISH_DONE (section 10.11)."""

    INTERNAL_ERROR = 0x0
    UNAUTHORIZED = 0x1
    TRACK_ENDED = 0x2
    SUBSCRIPTION_ENDED = 0x3
    GOING_AWAY = 0x4
    TOO_FAR_BEHIND = 0x5
    EXPIRED = 0x6
    UPDATE_FAILED = 0x8
    EXCESSIVE_LOAD = 0x9
    MALFORMED_TRACK = 0x12


class ResetCode(IntEnum):
    """Why a stream is reset, or told to stop (section 3.3.3)."""

    INTERNAL_ERROR = 0x0
    CANCELLED = 0x1
    DELIVERY_TIMEOUT = 0x2
    SESSION_CLOSED = 0x3
    GOING_AWAY = 0x4
    TOO_FAR_BEHIND = 0x5
    UNKNOWN_OBJECT_STATUS = 0x6
    EXPIRED_AUTH_TOKEN = 0x7
    EXCESSIVE_LOAD = 0x9
    MALFORMED_TRACK = 0x12


@attrs.frozen
class CodeTable:
    """How one draft writes one of the enums of this module."""

    codes: type[IntEnum]
    numbers: Mapping[int, int] = attrs.field(factory=dict)
    """Code -> number on the wire, where it is not the code itself: moved, or not in this draft at all."""
    moved: Mapping[int, int] = attrs.field(factory=dict)
    """Number on the wire -> code, where it is not the number itself."""

    def to_wire(self, code: int) -> int:
        """The number to write; for a code that the draft does not have, the nearest one."""
        return self.numbers.get(code, int(code))

    def from_wire(self, number: int) -> int:
        """The enum member, or the number itself if nobody knows it."""
        code = self.moved.get(number, number)
        try:
            return self.codes(code)
        except ValueError:
            return code
