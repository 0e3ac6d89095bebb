"""Errors of the packet formats. Text protocols have their own, next to their parsers."""

from __future__ import annotations


class MalformedPacket(Exception):
    """A peer's packet breaks its format. It is to be counted and dropped: nothing is answered."""
