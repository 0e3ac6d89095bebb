"""The SIP endpoint on Trio: sockets, the transaction layer at work, and sessions.

May come in: what any user agent does. May not: dialplan, SDP, media, call trees.
"""

from clutch.net.sip.endpoint import SipEndpoint
from clutch.net.sip.events import (
    Acked,
    Answered,
    Bye,
    Cancelled,
    Failed,
    Failure,
    Info,
    Offer,
    Rejected,
    Ringing,
    SessionEvent,
)
from clutch.net.sip.session import SipSession
from clutch.net.sip.state import SESSION_MOVES, SessionState
from clutch.net.sip.transports import Bind

__all__ = [
    "SESSION_MOVES",
    "Acked",
    "Answered",
    "Bind",
    "Bye",
    "Cancelled",
    "Failed",
    "Failure",
    "Info",
    "Offer",
    "Rejected",
    "Ringing",
    "SessionEvent",
    "SessionState",
    "SipEndpoint",
    "SipSession",
]
