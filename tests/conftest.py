"""What every folder of tests shares."""

from __future__ import annotations

import pytest

REAL = {"node", "shared_node"}
"""Fixtures that are a node on real time and real sockets."""


REAL_ROOMS = {"bench", "e2e", "interop"}
"""Folders of tests that mostly wait: for calls in real time, and for other programs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let calls in real time be tried again, twice, and mark what mostly waits as ``realtime``.

    A shared machine that stands still for 200 ms is heard in every call; no jitter buffer could help.
    A fault of ours is there the next time as well. What runs on a virtual clock is never tried again.
    The mark keeps tests that need a calm machine away from those that use all of it (see the Makefile).
    """
    for item in items:
        real = REAL & set(getattr(item, "fixturenames", ()))
        if real or "interop" in item.path.parts:
            item.add_marker(pytest.mark.flaky(reruns=2))
        if real or REAL_ROOMS & set(item.path.parts):
            item.add_marker(pytest.mark.realtime)
