"""The `clutch` command: reads arguments, calls the node or its API, prints. No logic of its own."""
