"""LegPort adapters: how one side of a call is signalled."""
