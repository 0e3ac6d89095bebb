"""What a packet of a stream carries."""

from __future__ import annotations

import enum


class Content(enum.Enum):
    """By its payload type."""

    AUDIO = "audio"
    NOISE = "noise"
    """Comfort noise (RFC 3389): how loud a pause is."""
    KEY = "key"
    """A telephone event (RFC 4733)."""
