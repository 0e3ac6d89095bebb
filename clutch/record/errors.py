"""Errors of recordings."""

from __future__ import annotations


class RecordError(Exception):
    """A recording cannot go on. What was written until then is a valid file; the message names it."""
