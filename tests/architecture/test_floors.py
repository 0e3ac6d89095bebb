"""Imports run one way, and the check that says so can be trusted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.floors import ROOMS, imports, violations
from tests.architecture.tree import PRODUCT, ROOT, module_name, sources

PRIVATE_TRIO = "actors/testing/_steps.py"


def test_imports_keep_to_the_floor_plan() -> None:
    assert violations() == []


def test_every_room_is_on_the_plan() -> None:
    found = {
        ".".join(module_name(path).split(".")[:2])
        for path in sources("actors", "clutch")
        if path.name == "__init__.py"
    }
    assert found <= set(ROOMS)


def test_the_plan_has_no_way_round() -> None:
    """No room may know one that may know it."""
    for name, room in ROOMS.items():
        for below in room.may:
            assert name not in ROOMS[below].may, f"{name} and {below} may import each other"


def test_private_parts_of_trio_are_used_in_one_module() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources(*PRODUCT)
        for _, imported in imports(path, module_name(path))
        if re.search(r"^trio\.(.*\.)?_", imported)
    }
    assert users <= {PRIVATE_TRIO}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A tree with every room and nothing in it, to break the rules in."""
    for room in ROOMS:
        folder = tmp_path / room.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text('"""Empty."""\n')
    assert violations(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        (
            "actors/runtime/bad.py",
            "import clutch.wire",
            "actors.runtime must not import clutch.wire: the actor",
        ),
        ("actors/runtime/bad.py", "import numpy", "actors.runtime must not import numpy: the actor system"),
        ("actors/runtime/bad.py", "from actors import call", "actors.runtime must not import actors.call"),
        ("actors/call/bad.py", "from native import Core", "actors.call must not import native: a call tree"),
        ("actors/testing/bad.py", "import pytest", "actors.testing must not import pytest: the testing kit"),
        (
            "native/bad.py",
            "from actors.runtime import Ref",
            "native must not import actors.runtime: the C core",
        ),
        ("clutch/wire/bad.py", "import trio", "clutch.wire must not import trio: a protocol is bytes in"),
        ("clutch/wire/bad.py", "import asyncio.events", "clutch.wire must not import asyncio"),
        ("clutch/wire/sip/bad.py", "from socket import socket", "clutch.wire must not import socket"),
        ("clutch/wire/bad.py", "def f():\n    import time", "clutch.wire must not import time"),
        ("clutch/wire/bad.py", "import random as r", "clutch.wire must not import random"),
        ("clutch/wire/bad.py", "from clutch.media import g711", "clutch.wire must not import clutch.media"),
        ("clutch/wire/bad.py", "from ..media import g711", "clutch.wire must not import clutch.media"),
        ("clutch/wire/__init__.py", "from .. import net", "clutch.wire must not import clutch.net"),
        ("clutch/media/bad.py", "import trio", "clutch.media must not import trio: an algorithm's clock"),
        ("clutch/media/bad.py", "import clutch.wire.rtp", "clutch.media must not import clutch.wire"),
        ("clutch/net/bad.py", "import clutch.legs", "clutch.net must not import clutch.legs: sockets know"),
        ("clutch/net/bad.py", "from clutch import node", "clutch.net must not import clutch.node"),
        (
            "clutch/legs/bad.py",
            "import clutch.agents.echo",
            "clutch.legs must not import clutch.agents: groups do",
        ),
        ("clutch/record/bad.py", "from clutch.relay import x", "clutch.record must not import clutch.relay"),
        (
            "clutch/client/bad.py",
            "import clutch.node.config",
            "clutch.client must not import clutch.node: the SDK",
        ),
        ("clutch/node/bad.py", "import clutch.cli", "clutch.node must not import clutch.cli: the node knows"),
        ("clutch/node/bad.py", "import actors.testing", "clutch.node must not import actors.testing"),
        (
            "clutch/media/bad.py",
            "import importlib\nimportlib.import_module('clutch.net')",
            "clutch.media must not import clutch.net",
        ),
        (
            "clutch/wire/bad.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trio",
            "clutch.wire must not import trio",
        ),
    ],
)
def test_a_forbidden_import_is_found_and_explained(house: Path, file: str, line: str, complaint: str) -> None:
    path = house / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""Breaks a rule."""\n{line}\n')
    (found,) = violations(house)
    where, _, what = found.partition(": ")
    assert where == f"{file}:{1 + line.count(chr(10)) + 1}"
    assert what.startswith(complaint)
