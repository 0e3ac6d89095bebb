"""The settings of HTTP/3 by which both sides say that they speak WebTransport, and which draft of it."""

from __future__ import annotations

from collections.abc import Mapping

_CONNECT_PROTOCOL = 0x8
_DATAGRAM = 0x33
_DRAFT_02, _DRAFT_07, _DRAFT_13, _DRAFT_15 = 0x2B603742, 0xC671706A, 0x14E9CD29, 0x2C7CF000

SETTINGS: Mapping[int, int] = {_DATAGRAM: 1, _DRAFT_02: 1, _DRAFT_07: 1, _DRAFT_13: 1, _DRAFT_15: 1}
"""What either side sends, besides SETTINGS_ENABLE_CONNECT_PROTOCOL. Chromium 156 knows only draft-02."""


def is_possible(settings: Mapping[int, int]) -> bool:
    """Whether the settings of a client allow for a session."""
    return settings.get(_DATAGRAM) == 1


def upgrade_token(settings: Mapping[int, int]) -> str | None:
    """How a client asks the server with these settings for a session; None if there can be none."""
    if settings.get(_CONNECT_PROTOCOL) != 1 or not is_possible(settings):
        return None
    if any(settings.get(draft) for draft in (_DRAFT_02, _DRAFT_07, _DRAFT_13)):
        return "webtransport"
    return "webtransport-h3" if settings.get(_DRAFT_15) else None
