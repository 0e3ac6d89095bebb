"""Which capability is one of which."""

from __future__ import annotations

import pytest

from clutch.client.search import has_capability


@pytest.mark.parametrize(
    ("offered", "wanted", "is_one"),
    [
        ("voice/opus", "voice/opus", True),
        ("voice/opus;rate=16000", "voice/opus", True),
        ("voice/opus; rate=16000 ;ptime=40", "voice/opus;ptime=40", True),
        ("voice/opus", "voice/opus;rate=16000", False),
        ("voice/opus;rate=8000", "voice/opus;rate=16000", False),
        ("voice/opus2", "voice/opus", False),
        ("", "voice/opus", False),
    ],
)
def test_capabilities(offered: str, wanted: str, is_one: bool) -> None:
    assert has_capability(offered, wanted) is is_one
