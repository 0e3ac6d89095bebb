"""A draft as a value: its ALPN, its integers, its control messages. `data` and `fetch` do the objects."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from clutch.wire.moqt.codes import CodeTable, ResetCode
from clutch.wire.moqt.control import layouts_16, layouts_18, layouts_20
from clutch.wire.moqt.errors import LocalProtocolError, violation
from clutch.wire.moqt.layout import Layout
from clutch.wire.moqt.messages import Message, RequestOk, Setup
from clutch.wire.moqt.parameter_codec import ParameterTable
from clutch.wire.moqt.parameter_tables import DRAFT_16, DRAFT_18, DRAFT_20
from clutch.wire.moqt.varint import QUIC, VI64, Varint


@attrs.frozen(eq=False, repr=False)
class Draft:
    """One draft of MoQT. There is one object for each: compare with `is`."""

    number: int
    """16, 18 or 20."""
    alpn: str
    """ALPN of raw QUIC, and the protocol of WebTransport: `moqt-18`."""
    integer: Varint
    parameters: ParameterTable
    reset_codes: CodeTable
    """For RESET_STREAM and STOP_SENDING."""
    layouts: Mapping[int, Layout]
    """By message type."""
    _by_class: Mapping[tuple[object, object], Layout]

    @property
    def request_streams(self) -> bool:
        """Every request has a stream of its own (17 and later), instead of one control stream for all."""
        return self.number > 16

    def decode_control(self, type: int, payload: bytes) -> Message:  # noqa: A002
        """A control message from its type and what is behind its length. Raises RemoteProtocolError."""
        return self.layout(type).read(payload, self.integer)

    def layout(self, type: int) -> Layout:  # noqa: A002
        """How messages of a type are laid out. Raises RemoteProtocolError if there is no such type."""
        layout = self.layouts.get(type)
        if layout is None:
            raise violation(f"message type {type:#x} is unknown")
        return layout

    def encode(self, message: Message) -> bytes:
        """A control message with its type and length.

        What the draft has no field or parameter for is left out. Raises LocalProtocolError for a message that
        the draft does not have, or that is out of its bounds.
        """
        client = message.client if isinstance(message, Setup) and self.number == 16 else None
        layout = self._by_class.get((type(message), client))
        if layout is None:
            raise LocalProtocolError(f"{type(message).__name__} is no message of draft {self.number}")
        return layout.write(message, self.integer)

    def check_answer(self, request: str, answer: RequestOk) -> None:
        """Whether a REQUEST_OK fits the request that it answers, by the draft's name: `PUBLISH_NAMESPACE`.

        Raises RemoteProtocolError for parameters or properties that such an answer must not have.
        """
        self.parameters.check(answer.parameters, f"{request}_OK")
        if answer.properties and request != "TRACK_STATUS":
            raise violation(f"track properties in {request}_OK")

    def __repr__(self) -> str:
        return f"<Draft {self.alpn}>"


def _draft(
    number: int,
    integer: Varint,
    parameters: ParameterTable,
    reset_codes: CodeTable,
    layouts: tuple[Layout, ...],
) -> Draft:
    by_type = {layout.type: layout for layout in layouts}
    by_class: dict[tuple[object, object], Layout] = {
        (layout.message, layout.fixed.get("client")): layout for layout in layouts
    }
    return Draft(number, f"moqt-{number}", integer, parameters, reset_codes, by_type, by_class)


_RESET_16 = CodeTable(
    ResetCode,
    {
        ResetCode.GOING_AWAY: ResetCode.CANCELLED,
        ResetCode.TOO_FAR_BEHIND: ResetCode.CANCELLED,
        ResetCode.UNKNOWN_OBJECT_STATUS: 0x4,
        ResetCode.EXPIRED_AUTH_TOKEN: ResetCode.CANCELLED,
        ResetCode.EXCESSIVE_LOAD: ResetCode.INTERNAL_ERROR,
    },
    {0x4: ResetCode.UNKNOWN_OBJECT_STATUS},
)

DRAFT16 = _draft(16, QUIC, DRAFT_16, _RESET_16, layouts_16())
DRAFT18 = _draft(18, VI64, DRAFT_18, CodeTable(ResetCode), layouts_18())

# The text of draft 20 was not at hand: see `layouts_20`.
DRAFT20 = _draft(20, VI64, DRAFT_20, CodeTable(ResetCode), layouts_20())

DRAFTS: Mapping[str, Draft] = {draft.alpn: draft for draft in (DRAFT18, DRAFT16, DRAFT20)}
"""By ALPN."""
OFFERED = (DRAFT18.alpn, DRAFT16.alpn)
"""What is offered unless told otherwise, the most wanted first."""
