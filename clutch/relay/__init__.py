"""The MoQT relay: matching, fan-out, cache. Publishers name a track, subscribers find it.

May come in: whatever decides who hears what. May not: what is said (payloads are opaque here), and calls.
"""

from clutch.relay.claims import ACCEPTED, Claim, Decision, PublishAttempt
from clutch.relay.errors import NameTaken, RelayError, RequestRefused
from clutch.relay.gate import Gate, OpenGate, SessionInfo
from clutch.relay.limits import CacheLimits, QueueLimits, RelayLimits
from clutch.relay.local import (
    CapabilitySubscription,
    LocalPublication,
    LocalSubscription,
    TrackKind,
    TrackObject,
)
from clutch.relay.offers import Offer
from clutch.relay.relay import Relay

__all__ = [
    "ACCEPTED",
    "CacheLimits",
    "CapabilitySubscription",
    "Claim",
    "Decision",
    "Gate",
    "LocalPublication",
    "LocalSubscription",
    "NameTaken",
    "Offer",
    "OpenGate",
    "PublishAttempt",
    "QueueLimits",
    "Relay",
    "RelayError",
    "RelayLimits",
    "RequestRefused",
    "SessionInfo",
    "TrackKind",
    "TrackObject",
]
