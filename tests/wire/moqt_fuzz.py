"""Broken bytes for everything of MoQT that reads from the network; `make fuzz` runs it for a while.

Inputs are the vectors of the tests, changed here and there. What is read must be written and read again as
the same bytes; nothing may raise but the errors that name the peer; no parser may keep more than its limit.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from clutch.wire.errors import MalformedPacket
from clutch.wire.loc import read_frame
from clutch.wire.moqt.data import SubgroupParser, decode_datagram, encode_datagram, stream_kind
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.errors import RemoteProtocolError
from clutch.wire.moqt.fetch import FetchParser
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.properties import Properties
from clutch.wire.msf import Catalog
from tests.wire.test_moqt_vectors import MESSAGES_16, MESSAGES_18, MESSAGES_20, framed

SECONDS = 60
LIMIT = 50
"""Bytes of an object."""

CONTROL = [
    framed(type_, body) for table in (MESSAGES_16, MESSAGES_18, MESSAGES_20) for type_, body, _ in table
]
OBJECTS = [
    bytes.fromhex(text)
    for text in (
        "14 02 03 05 80  00 04 61626364  02 00 03",
        "31 02 03 00  02 02 05 03 616263  00 04 0b 02 0c 1e 01 78",
        "05 04  1f 0a 01 03 80 01 61  01 01 62  05 05 01 63  0d 01 00 01 64  810c 0c 05  40 01 65",
        "0f 07 09 02 02 01 68",
        "2c 07 09 04",
        "0a 04 0c 1e 10 07 78",
    )
]
CATALOG = (
    b'{"version":"draft-01","tracks":[{"name":"a","packaging":"loc","bitrate":1}],'
    b'"deltaUpdate":[{"op":"clone","tracks":[{"parentName":"a","name":"b"}]}]}'
)


def broken(rng: random.Random, data: bytes) -> bytes:
    """The data with up to four changes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0 | 1:
                changed[at : at + 1] = rng.randbytes(1)
            case 2:
                del changed[at : at + rng.randint(1, 4)]
            case 3:
                changed[at:at] = rng.randbytes(rng.randint(1, 6))
    return bytes(changed)


def try_control(draft: Draft, data: bytes) -> None:
    """Messages survive being written and read once more."""
    for message in ControlParser(draft).feed(data):
        written = draft.encode(message)
        (again,) = ControlParser(draft).feed(written)
        assert draft.encode(again) == written
        # Draft 16 writes codes that it lacks as others.
        assert again == message or draft.number == 16


def try_streams(draft: Draft, data: bytes, size: int) -> None:
    """Data streams in pieces."""
    for parser in (SubgroupParser(draft, LIMIT), FetchParser(draft, lambda id_: bool(id_ % 2), LIMIT)):
        with suppress(RemoteProtocolError):
            stream_kind(draft, data)
            for start in range(0, len(data), size):
                parser.feed(data[start : start + size])
                # Properties and payload, and the numbers of an object.
                assert len(parser._tail._buffer) <= 2 * LIMIT + 64


def try_datagram(draft: Draft, data: bytes) -> None:
    """Datagrams survive being written and read once more."""
    datagram = decode_datagram(draft, data)
    if datagram is not None:
        assert decode_datagram(draft, encode_datagram(draft, datagram)) == datagram


def try_media(data: bytes, catalog: bytes) -> None:
    """What objects hold."""
    with suppress(MalformedPacket):
        read_frame(Properties(), data, private=True)
    with suppress(MalformedPacket):
        Catalog.parse(catalog.partition(b',"deltaUpdate')[0] + b"}").updated(catalog).encode()


def fuzz(seed: int, more: Callable[[int], bool]) -> int:
    """Try inputs as long as `more(how many were tried)`; how many there were."""
    rng = random.Random(seed)
    drafts = list(DRAFTS.values())
    tried = 0
    while more(tried):
        tried += 1
        draft = rng.choice(drafts)
        with suppress(RemoteProtocolError):
            try_control(draft, broken(rng, rng.choice(CONTROL)))
        data = broken(rng, rng.choice(OBJECTS))
        try_streams(draft, data, rng.randint(1, 20))
        with suppress(RemoteProtocolError):
            try_datagram(draft, data)
        try_media(data, broken(rng, CATALOG))
    return tried


def main(words: list[str]) -> None:
    """As `make fuzz` calls it: seconds, and targets, of which this is none."""
    seconds = int(words.pop(0)) if words and words[0].isdigit() else SECONDS
    if not words:
        end = time.monotonic() + seconds
        seed = random.randrange(1 << 32)
        print(f"fuzz: moqt: seed {seed}", flush=True)
        tried = fuzz(seed, lambda _: time.monotonic() < end)
        print(f"fuzz: moqt: {tried} inputs in {seconds} s: nothing found")


if __name__ == "__main__":
    main(sys.argv[1:])
