"""Namespaces by prefix, capabilities by their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.relay.matching import PrefixTree, serves
from clutch.wire.moqt.names import Namespace

FOO, FOO_BAR, FOOBAR = (b"foo",), (b"foo", b"bar"), (b"foobar",)
namespaces = st.lists(st.sampled_from([b"a", b"b", b"ab"]), max_size=4).map(tuple)


def test_the_example_of_the_draft() -> None:
    tree: PrefixTree[str] = PrefixTree()
    tree.add(FOO, "short")
    tree.add(FOO_BAR, "long")
    tree.add(FOOBAR, "other")
    assert tree.over(FOO_BAR) == ["short", "long"]
    assert tree.over((*FOO_BAR, b"baz")) == ["short", "long"]
    assert tree.over(FOO) == ["short"]
    assert tree.under(FOO) == ["short", "long"]


def test_the_empty_prefix_is_of_everything() -> None:
    tree: PrefixTree[str] = PrefixTree()
    tree.add((), "all")
    tree.add(FOO, "foo")
    assert tree.under(()) == ["all", "foo"]
    assert tree.over(FOOBAR) == ["all"]


def test_taking_away_leaves_nothing_and_touches_nothing_else() -> None:
    tree: PrefixTree[str] = PrefixTree()
    for namespace in (FOO, FOO_BAR, FOOBAR):
        tree.add(namespace, "it")
    tree.remove(FOO_BAR, "it")
    tree.remove(FOO_BAR, "it")
    tree.remove((b"nowhere", b"at", b"all"), "it")
    assert (tree.under(FOO), tree.under(FOOBAR)) == (["it"], ["it"])
    tree.remove(FOO, "it")
    tree.remove(FOOBAR, "it")
    assert len(tree) == 0
    assert tree.under(()) == []


@given(st.lists(st.tuples(namespaces, st.integers(0, 3), st.booleans())), namespaces)
def test_like_a_list_that_is_searched(moves: list[tuple[Namespace, int, bool]], asked: Namespace) -> None:
    tree: PrefixTree[tuple[Namespace, int]] = PrefixTree()
    plain: set[tuple[Namespace, int]] = set()
    for namespace, value, there in moves:
        item = (namespace, value)
        if there:
            tree.add(namespace, item)
            plain.add(item)
        else:
            tree.remove(namespace, item)
            plain.discard(item)
    assert set(tree.over(asked)) == {item for item in plain if asked[: len(item[0])] == item[0]}
    assert set(tree.under(asked)) == {item for item in plain if item[0][: len(asked)] == asked}
    assert len(tree) == len(plain)


@pytest.mark.parametrize(
    ("offered", "asked", "same"),
    [
        ("voice/opus", "voice/opus", True),
        ("voice/pcm16;rate=16000;channels=1", "voice/pcm16", True),
        ("voice/pcm16;rate=16000;channels=1", "voice/pcm16; channels=1", True),
        ("voice/pcm16;rate=16000", "voice/pcm16;rate=8000", False),
        ("voice/pcm16", "voice/pcm16;rate=16000", False),
        ("voice/opus2", "voice/opus", False),
        ("", "voice/opus", False),
    ],
)
def test_a_capability_is_asked_for_by_its_words(offered: str, asked: str, same: bool) -> None:
    assert serves(offered, asked) == same
