"""Errors of the media algorithms."""

from __future__ import annotations


class UnsupportedCodec(Exception):
    """This media core or build cannot code it. Offer another codec."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this media core cannot code {name}")
        self.name = name
        """As in `Codec.name`."""


class UnsupportedSuite(Exception):
    """This media core or build cannot encrypt with it. Offer another suite, or none."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this media core cannot encrypt with {name}")
        self.name = name
        """As in `SrtpKeys.suite`."""


class CannotBridge(Exception):
    """Two streams cannot exchange packets undecoded. The message says why."""


class AudioError(Exception):
    """A sound file cannot be read, or is not what was asked for. The message says what was found."""
