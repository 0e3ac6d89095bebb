"""The Python SDK: tracks of a node, from outside, over QUIC or WebTransport.

It holds connections, what is published and subscribed over them, and how all that comes back after a loss.
Nothing of the node or its relay is known here.
"""

from clutch.client.bridge import AudioBridge, CallerBridge
from clutch.client.errors import (
    AddressError,
    ConnectionRefused,
    PublicationClosed,
    TrackRefused,
    VoiceError,
)
from clutch.client.publication import Publication
from clutch.client.search import Search
from clutch.client.subscription import Subscription
from clutch.client.values import Frame, Gap, State, StateChanged
from clutch.client.voice import Voice
from clutch.net.quic.engine import Trust

__all__ = [
    "AddressError",
    "AudioBridge",
    "CallerBridge",
    "ConnectionRefused",
    "Frame",
    "Gap",
    "Publication",
    "PublicationClosed",
    "Search",
    "State",
    "StateChanged",
    "Subscription",
    "TrackRefused",
    "Trust",
    "Voice",
    "VoiceError",
]
