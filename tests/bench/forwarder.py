"""Our media plane as a contender: calls without any Python, in a process of their own.

Modes: ``answer`` leaves every leg by itself, with jitter buffer, decoder and encoder; ``bridge`` joins the
legs of each call, so that packets go on undecoded; ``room`` mixes them, so that they are decoded and encoded.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import native
from tests.bench.contender import Options, options, serve

FIRST_PORT = 30_000
AT_ONCE = 64
"""Commands to the plane's thread between which it is waited for."""
CODECS = {"pcmu": (0, 8000), "opus": (96, 48_000)}
"""Payload type and rate."""
LIKE_RTPENGINE = native.OpusOptions(bitrate=32_000, complexity=10)
T = TypeVar("T")


def open_legs(plane: native.Plane, chosen: Options) -> list[native.Stream]:
    """Every leg, connected to its far end."""
    legs = []
    for number in paced(plane, range(2 * chosen.calls)):
        legs.append(leg := plane.open(number + 1, 0, 0, bytes(16)))
        codec = chosen.codecs[number % 2]
        payload_type, rate_hz = CODECS[codec]
        far = chosen.first_port + 2 * number
        rtcp = (chosen.remote, far + 1)
        far_end = (chosen.remote, far)
        leg.connect(native.Params(far_end, codec, rate_hz, payload_type, rtcp=rtcp, opus=LIKE_RTPENGINE))
    return legs


def join(plane: native.Plane, legs: list[native.Stream], mode: str) -> None:
    """Make calls of the legs."""
    pairs = zip(legs[::2], legs[1::2], strict=True) if mode != "answer" else ()
    for one, other in paced(plane, pairs):
        if mode == "bridge":
            one.bridge(other)
        else:
            room = plane.open_room()
            room.join(one, native.MixParams())
            room.join(other, native.MixParams())


def paced(plane: native.Plane, items: Iterable[T]) -> Iterator[T]:
    """The items, with time for the plane's thread to obey now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % AT_ONCE == 0:
            settle(plane)
    settle(plane)


def settle(plane: native.Plane) -> None:
    """Give the plane's thread time, and take what it gives back."""
    time.sleep(0.02)
    plane.begin_drain()
    for _ in plane.events():
        pass


def main() -> None:
    """Carry the calls until standard input ends."""
    chosen = options()
    way, mode = chosen.settings
    backend, _, xdp_mode = way.partition(" ")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    interface = "node" if backend == "af_xdp" else ""
    wanted = native.PlaneOptions(backend=backend, interface=interface, xdp_mode=xdp_mode or "auto")
    plane = native.Plane(chosen.ip, FIRST_PORT, FIRST_PORT + 4 * chosen.calls, wanted)
    legs = open_legs(plane, chosen)
    join(plane, legs, mode)

    def stats() -> dict[str, float]:
        sums = [sum(values) for values in zip(*(leg.stats() for leg in legs), strict=True)]
        frames, events, packets = plane.lost()
        lost = {"frames_lost": frames, "events_lost": events, "packets_refused": packets}
        return dict(zip(native.Stats._fields, sums, strict=True)) | lost

    serve([os.getpid()], [leg.port for leg in legs], stats, plane.backend)
    plane.close()


if __name__ == "__main__":
    main()
