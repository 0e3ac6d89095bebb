"""What every folder of tests shares."""

from __future__ import annotations

import pytest

REAL = {"node", "shared_node"}
"""Fixtures that are a node on real time and real sockets."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let calls in real time be tried again, twice.

    A shared machine that stands still for 200 ms is heard in every call; no jitter buffer could help.
    A fault of ours is there the next time as well. What runs on a virtual clock is never tried again.
    """
    for item in items:
        real = REAL & set(getattr(item, "fixturenames", ()))
        if real or "interop" in item.path.parts:
            item.add_marker(pytest.mark.flaky(reruns=2))
