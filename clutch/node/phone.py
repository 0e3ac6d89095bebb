"""A phone for one outgoing call: the stack of the node, without the node."""

from __future__ import annotations
