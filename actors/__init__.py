"""Structured-concurrency actors for voice calls, on Trio."""
