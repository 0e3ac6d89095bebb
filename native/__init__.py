"""The C media plane and its typed Python face: packets, samples, rings; nothing of a call, nothing of ours.

May come in: C for the per-packet path, and the thinnest Python that makes it safe to call. May not: trio,
signalling, or anything above. Without a compiled library everything imports and `available` is False.
"""

from native.core import Core, Relayed, Report, Tick
from native.errors import MediaError
from native.library import available, features, reason
from native.plane import FrameTuple, Plane, Stream
from native.values import CODECS, Address, Closed, Dtmf, Event, Params, PlaneOptions, Stats, Timeout

__all__ = [
    "CODECS",
    "Address",
    "Closed",
    "Core",
    "Dtmf",
    "Event",
    "FrameTuple",
    "MediaError",
    "Params",
    "Plane",
    "PlaneOptions",
    "Relayed",
    "Report",
    "Stats",
    "Stream",
    "Tick",
    "Timeout",
    "available",
    "features",
    "reason",
]
