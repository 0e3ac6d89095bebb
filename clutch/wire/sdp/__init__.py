"""Session descriptions (RFC 8866) and how two of them agree on one audio stream (RFC 3264).

Pure values and functions. No codec or media object comes in here: legs map what was agreed to media.
"""

from clutch.wire.sdp.codecs import CODECS, G722, L16_8000, L16_16000, L16_48000, OPUS, PCMA, PCMU, CodecOffer
from clutch.wire.sdp.crypto import Crypto, Keys
from clutch.wire.sdp.errors import NotAcceptable, SdpParseError
from clutch.wire.sdp.fields import Connection, Direction, Line, Origin, RtpMap
from clutch.wire.sdp.negotiate import Agreed, LocalMedia, accept_answer, answer, make_offer
from clutch.wire.sdp.session import Media, Session

__all__ = [
    "CODECS",
    "G722",
    "L16_8000",
    "L16_16000",
    "L16_48000",
    "OPUS",
    "PCMA",
    "PCMU",
    "Agreed",
    "CodecOffer",
    "Connection",
    "Crypto",
    "Direction",
    "Keys",
    "Line",
    "LocalMedia",
    "Media",
    "NotAcceptable",
    "Origin",
    "RtpMap",
    "SdpParseError",
    "Session",
    "accept_answer",
    "answer",
    "make_offer",
]
