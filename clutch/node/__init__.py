"""The node: configuration, wiring, drain and doctor. The only place where every other room is known."""
