"""What can go wrong between a program and its node, sorted by who can mend it."""

from __future__ import annotations


class VoiceError(Exception):
    """The SDK cannot do what it was asked for. The message never holds a token."""


class AddressError(VoiceError):
    """The address is not one that can be connected to. It names the rule that it breaks."""


class ConnectionRefused(VoiceError):
    """The node does not want this connection, and would not if it were tried again: a token that it does not
    accept, no draft in common; or we do not want the node: its certificate was never one that we trust."""


class TrackRefused(VoiceError):
    """The node does not let us publish or subscribe this track, and would not if it were tried again."""

    def __init__(self, track: str, code: int, reason: str) -> None:
        super().__init__(f"{track}: {reason or 'refused'} ({code:#x})")
        self.track = track
        self.code = code
        """The REQUEST_ERROR code (draft-ietf-moq-transport-18, 10.6.2)."""
        self.reason = reason


class PublicationClosed(VoiceError):
    """This side has closed the publication, or the `Voice` that it belongs to."""


class ConnectionLost(VoiceError):
    """The connection ended before it could be used; it will be tried again."""
