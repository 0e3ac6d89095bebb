"""The pages in docs/ say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest

from actors.call import CALL_MOVES, tree
from clutch.media.turn_events import TURN_MOVES
from clutch.node.config import AGENTS, Config
from tests.architecture.floors import ROOMS
from tests.architecture.tree import ROOT

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def test_the_diagram_of_states_is_the_table_of_states() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", ARCHITECTURE, re.MULTILINE))
    assert drawn == {(old.value, new.value) for old, moves in CALL_MOVES.items() for new in moves}


def test_the_diagram_of_turns_is_the_table_of_turns() -> None:
    page = (ROOT / "docs/decisions/0024-turns.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+): ([\w, ]+)$", page, re.MULTILINE))
    assert drawn == {
        (old.name, new.name, ", ".join(event.__name__ for event in events))
        for (old, new), events in TURN_MOVES.items()
    }


@pytest.mark.parametrize("name", ["agent", "bridge", "recorder", "leg"])
def test_the_budgets_are_those_of_the_call(name: str) -> None:
    grace_s, cleanup_s = getattr(tree, f"{name.upper()}_BUDGET_S")
    assert f"| {name} | {grace_s} s | {cleanup_s} s |" in ARCHITECTURE
    assert f"That is {tree.CALL_BUDGET_S:.1f} s in all." in ARCHITECTURE


def test_every_room_that_is_built_is_described() -> None:
    for room in ROOMS:
        if "." in room and (ROOT / room.replace(".", "/")).is_dir():
            assert f"`{room}`" in ARCHITECTURE, room


def _settings() -> dict[str, str]:
    """Key and default, as in the tables: TOML, or nothing where there is no default."""
    found = {}
    for section in attrs.fields(Config):
        value = getattr(Config(), section.name)
        for key in attrs.fields(type(value)) if section.name != "dialplan" else ():
            found[f"{section.name}.{key.name}"] = _shown(getattr(value, key.name))
    found["dialplan.NAME.agent"] = ""
    for agent in AGENTS.values():
        found |= {
            f"dialplan.NAME.{key.name}": _shown(getattr(agent(), key.name)) for key in attrs.fields(agent)
        }
    return found


def _shown(default: object) -> str:
    return "" if default is None else f"`{json.dumps(default, default=str)}`"


def test_every_setting_is_listed_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (\S*) ?\|", OPERATIONS, re.MULTILINE)
    assert {key: default for key, default in rows if "." in key} == _settings()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_decision_says_what_why_and_what_follows() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        text = page.read_text()
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), page.name
