"""The C media plane and its typed Python face: packets, samples, rings; nothing of a call, nothing of ours.

May come in: C for the per-packet path, and the thinnest Python that makes it safe to call. May not: trio,
signalling, or anything above. Without a compiled library everything imports and `available` is False.
"""

from native.codec import Codec
from native.core import Core, Relayed, Report, Tick
from native.errors import MediaError
from native.library import available, features, reason, srtp_suites
from native.mcache import Fragment, RingReader, RingWriter
from native.mixer import Member, Mixer, MixParams
from native.plane import FrameTuple, Plane, Stream
from native.recorder import Recorder, Recording, RecordingNews
from native.resample import Resampler
from native.room import Room
from native.steering import Steering
from native.values import (
    CODECS,
    SUITES,
    Address,
    Closed,
    Dtmf,
    Event,
    Keys,
    OpusOptions,
    Params,
    PlaneOptions,
    SpeechEnded,
    SpeechStarted,
    Stats,
    Timeout,
)

__all__ = [
    "CODECS",
    "SUITES",
    "Address",
    "Closed",
    "Codec",
    "Core",
    "Dtmf",
    "Event",
    "Fragment",
    "FrameTuple",
    "Keys",
    "MediaError",
    "Member",
    "MixParams",
    "Mixer",
    "OpusOptions",
    "Params",
    "Plane",
    "PlaneOptions",
    "Recorder",
    "Recording",
    "RecordingNews",
    "Relayed",
    "Report",
    "Resampler",
    "RingReader",
    "RingWriter",
    "Room",
    "SpeechEnded",
    "SpeechStarted",
    "Stats",
    "Steering",
    "Stream",
    "Tick",
    "Timeout",
    "available",
    "features",
    "reason",
    "srtp_suites",
]
