"""SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714) for the Python media plane and for tests of the C one.

Sans-IO: packets in, packets out, keys as arguments. What SDP says of keys is in `clutch.wire.sdp.crypto`.
"""

from clutch.wire.srtp.context import MAX_SOURCES, WINDOW, SrtpContext
from clutch.wire.srtp.errors import Replayed, Unauthentic
from clutch.wire.srtp.suites import SUITES, Suite

__all__ = ["MAX_SOURCES", "SUITES", "WINDOW", "Replayed", "SrtpContext", "Suite", "Unauthentic"]
