"""The rings of `native.RingWriter`, in one process and across two; the C tests have the rest."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")

ROOT = Path(native.__file__).parents[1]
ELSEWHERE = """
import sys, native
reader = native.RingReader(int(sys.argv[1]))
print("here", flush=True)
got = []
while len(got) < int(sys.argv[2]):
    got += reader.read()
    assert reader.lost == 0
print([(f.number, f.tag, f.kind, f.data) for f in got])
"""


def test_every_reader_gets_every_fragment() -> None:
    writer = native.RingWriter(64, 4096, 100)
    readers = [native.RingReader(writer.fd) for _ in range(3)]
    for number in range(5):
        writer.write(bytes([number]) * number, tag=2**63 + number, kind=number)
    expected = [
        native.Fragment(number, 2**63 + number, number, bytes([number]) * number) for number in range(5)
    ]
    for reader in readers:
        assert reader.read() == expected
        assert reader.read() == []
        assert reader.lost == 0


def test_a_slow_reader_counts_what_it_lost() -> None:
    writer = native.RingWriter(8, 4096, 100)
    slow = native.RingReader(writer.fd)
    for number in range(20):
        writer.write(number.to_bytes())
    assert [fragment.number for fragment in slow.read()] == [16, 17, 18, 19]
    assert slow.lost == 16


def test_a_batch_is_bounded_and_the_rest_comes_next() -> None:
    writer = native.RingWriter(1024, 1 << 20, 1000)
    reader = native.RingReader(writer.fd)
    for _ in range(300):
        writer.write(bytes(1000))
    batches = []
    while batch := reader.read():
        batches.append(len(batch))
    assert sum(batches) == 300
    assert max(batches) < 256
    assert reader.lost == 0


def test_another_process_reads_it() -> None:
    writer = native.RingWriter(64, 4096, 100)
    process = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(writer.fd), "3"],
        cwd=ROOT,
        pass_fds=[writer.fd],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    for number in range(3):
        writer.write(b"hello"[number:], tag=number, kind=9)
    output, _ = process.communicate()
    assert output == "[(0, 0, 9, b'hello'), (1, 1, 9, b'ello'), (2, 2, 9, b'llo')]\n"


def test_a_writer_takes_over() -> None:
    first = native.RingWriter(64, 4096, 100)
    reader = native.RingReader(first.fd)
    first.write(b"one")
    second = native.RingWriter(fd=first.fd)
    del first
    second.write(b"two")
    assert [(fragment.number, fragment.data) for fragment in reader.read()] == [(0, b"one"), (1, b"two")]


def test_what_cannot_be_says_why(tmp_path: Path) -> None:
    with pytest.raises(native.MediaError, match="make a ring") as no_power:
        native.RingWriter(100, 4096, 100)
    assert no_power.value.errno == errno.EINVAL
    with pytest.raises(native.MediaError, match="write to a ring") as too_long:
        native.RingWriter(8, 4096, 10).write(bytes(11))
    assert too_long.value.errno == errno.EMSGSIZE
    file = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    with pytest.raises(native.MediaError, match="join a ring") as no_ring:
        native.RingReader(file)
    os.close(file)
    assert no_ring.value.errno == errno.EPERM
