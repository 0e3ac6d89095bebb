"""MoQT sessions over an engine's sessions, for relay and client. What is published is not known here."""
