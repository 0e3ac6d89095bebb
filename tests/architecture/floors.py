"""The floor plan of docs/architecture.md as data, and the check that the imports keep to it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from tests.architecture.tree import PRODUCT, ROOT, module_name, sources

CLOCKS_AND_SOCKETS = frozenset(
    {"trio", "asyncio", "socket", "select", "selectors", "ssl", "threading", "time", "random", "secrets"}
)


@attrs.frozen
class Room:
    """A package, whom it may know, and why no one else."""

    why: str
    may: frozenset[str] = frozenset()
    """Rooms that it may import, besides itself."""
    never: frozenset[str] = frozenset()
    """Modules of others that it must not import."""
    only: frozenset[str] | None = None
    """If set: the only modules of others, besides the standard library, that it may import."""


RUNTIME = frozenset({"actors.runtime"})
CALL = RUNTIME | {"actors.call"}
PURE = frozenset({"clutch.wire", "clutch.media", "clutch.auth"})
BELOW_NET = PURE | CALL | {"actors", "native", "clutch"}
BELOW_GROUPS = BELOW_NET | {"clutch.net"}
GROUPS = frozenset(
    {"clutch.api", "clutch.legs", "clutch.agents", "clutch.record", "clutch.relay", "clutch.cluster"}
)
_GROUP = Room("groups do not import one another: what they share goes down a floor", BELOW_GROUPS)
_PURE_PYTHON = frozenset({"trio", "attrs", "outcome"})  # outcome comes with trio

ROOMS: Mapping[str, Room] = {
    "native": Room(
        "the C core is the ground floor: packets, samples and rings, nothing of ours",
        only=frozenset({"cffi", "hatchling"}),  # hatchling: the hook that builds it
    ),
    "actors": Room("the folder only says what is in it", CALL, only=_PURE_PYTHON),
    "actors.runtime": Room(
        "the actor system serves any Trio program: pure Python, no telephony", only=_PURE_PYTHON
    ),
    "actors.call": Room("a call tree knows its ports and no protocol", RUNTIME, only=_PURE_PYTHON),
    "actors.testing": Room(
        "the testing kit drives actors and calls, and nothing of the node",
        CALL,
        only=_PURE_PYTHON,
    ),
    "clutch": Room("the folder only holds the version", frozenset()),
    "clutch.wire": Room(
        "a protocol is bytes in, events out, time as an argument", never=CLOCKS_AND_SOCKETS | {"numpy"}
    ),
    "clutch.media": Room("an algorithm's clock is an argument or the frame count", never=CLOCKS_AND_SOCKETS),
    "clutch.auth": Room("what is valid now is decided with `now` as an argument", never=CLOCKS_AND_SOCKETS),
    "clutch.net": Room("sockets know protocols and media, and no call's purpose", BELOW_NET),
    **dict.fromkeys(sorted(GROUPS), _GROUP),
    "clutch.client": Room(
        "the SDK speaks to a node from outside",
        BELOW_GROUPS | {"clutch.api"},
    ),
    "clutch.node": Room("the node knows all rooms below, and not who starts it", BELOW_GROUPS | GROUPS),
    "clutch.cli": Room(
        "commands speak to the node", BELOW_GROUPS | GROUPS | {"clutch.node", "clutch.client"}
    ),
}


def violations(root: Path = ROOT) -> list[str]:
    """Every import of the product that the plan does not allow, with the reason."""
    found = []
    for path in sources(*PRODUCT, root=root):
        module = module_name(path, root)
        for line, imported in imports(path, module):
            if complaint := _complaint(room_of(module), imported):
                found.append(f"{path.relative_to(root)}:{line}: {complaint}")
    return found


def room_of(module: str) -> str:
    """The room that a module is in; for one of others, its top-level name."""
    top, _, rest = module.partition(".")
    below = f"{top}.{rest.partition('.')[0]}"
    return below if below in ROOMS else top


def imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a file imports, also within functions and for typing only."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from clutch import wire` names the room only together with what is imported.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            match node.args[:1]:
                case [ast.Constant(value=str(name))]:
                    yield node.lineno, name


def _complaint(here: str, imported: str) -> str | None:
    there, room = room_of(imported), ROOMS[here]
    if there == here:
        return None
    if there in ROOMS:
        if there in room.may:
            return None
        return f"{here} must not import {there}: {room.why}"
    top = imported.partition(".")[0]
    if top in room.never or (room.only is not None and top not in room.only | sys.stdlib_module_names):
        return f"{here} must not import {top}: {room.why}"
    return None
