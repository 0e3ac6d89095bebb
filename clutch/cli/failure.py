"""Errors out of a Trio program, for a person."""

from __future__ import annotations

from clutch.node.errors import NodeError


def first_node_error(group: BaseExceptionGroup[NodeError]) -> NodeError:
    """The first plain error of a (nested) group."""
    inner = group.exceptions[0]
    return first_node_error(inner) if isinstance(inner, BaseExceptionGroup) else inner
