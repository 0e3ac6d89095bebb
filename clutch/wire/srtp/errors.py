"""Why a packet was not unprotected, beside `MalformedPacket`. It is to be counted and dropped."""

from __future__ import annotations


class Unauthentic(Exception):
    """Nobody with the key made this packet, or not as it was agreed."""


class Replayed(Exception):
    """The packet came before, or is too old to tell."""
