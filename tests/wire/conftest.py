"""Fixtures of the wire tests."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from clutch.wire.sip.layer import TransactionLayer

sys.path.insert(0, str(Path(__file__).parents[2]))  # importlib mode finds no helper modules by itself

from tests.wire.sip_bench import Bench


@pytest.fixture
def bench() -> Bench:
    numbers = itertools.count(1)
    return Bench(TransactionLayer(lambda: f"t{next(numbers)}"))
