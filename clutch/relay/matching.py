"""Who hears whom: namespaces matched by prefix, capabilities by their words. Pure.

A namespace matches field by field, byte for byte: ``(b"foo",)`` is a prefix of ``(b"foo", b"bar")`` and not
of ``(b"foobar",)`` (draft-ietf-moq-transport-18, Publisher Interactions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import attrs

from clutch.wire.moqt.names import Namespace

T = TypeVar("T")


@attrs.define(eq=False)
class _Node(Generic[T]):
    children: dict[bytes, _Node[T]] = attrs.field(factory=dict)
    values: dict[T, None] = attrs.field(factory=dict)  # a set that keeps its order


@attrs.define(eq=False)
class PrefixTree(Generic[T]):
    """Values, each at one or more namespaces. Looking up costs the fields of the name, not the values."""

    _root: _Node[T] = attrs.field(factory=_Node)

    def add(self, namespace: Namespace, value: T) -> None:
        """Put a value at a namespace; nothing if it is there already."""
        node = self._root
        for field in namespace:
            node = node.children.setdefault(field, _Node())
        node.values[value] = None

    def remove(self, namespace: Namespace, value: T) -> None:
        """Take it away, and what it alone kept; nothing if it is not there."""
        way = [self._root]
        for field in namespace:
            child = way[-1].children.get(field)
            if child is None:
                return
            way.append(child)
        way[-1].values.pop(value, None)
        for field, parent, node in zip(reversed(namespace), way[-2::-1], way[:0:-1], strict=True):
            if node.values or node.children:
                return
            del parent.children[field]

    def over(self, namespace: Namespace) -> list[T]:
        """What is at the namespace or a prefix of it, the shortest first."""
        return [value for _, node in self._way(namespace) for value in node.values]

    def under(self, prefix: Namespace) -> list[T]:
        """What is at the prefix or below it, parents before children."""
        *_, (depth, node) = self._way(prefix)
        return list(_below(node)) if depth == len(prefix) else []

    def __len__(self) -> int:
        return sum(1 for _ in _below(self._root))

    def _way(self, namespace: Namespace) -> Iterator[tuple[int, _Node[T]]]:
        node: _Node[T] | None = self._root
        for depth, field in enumerate((*namespace, b"")):
            if node is None:
                return
            yield depth, node
            node = node.children.get(field)


def _below(top: _Node[T]) -> Iterator[T]:
    waiting = [top]
    while waiting:
        node = waiting.pop()
        yield from node.values
        waiting.extend(reversed(node.children.values()))


def serves(offered: str, asked: str) -> bool:
    """Whether a track of the capability `offered` is one of those `asked` for.

    The words before the first ``;`` are equal, and every parameter asked for is offered as it is:
    ``voice/pcm16`` asks for all rates, ``voice/pcm16;rate=16000`` for one.
    """
    word, *wanted = (part.strip() for part in asked.split(";"))
    other, *given = (part.strip() for part in offered.split(";"))
    return word == other and set(wanted) <= set(given)
