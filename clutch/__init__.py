"""The clutch node: SIP, media, relay, agents and control around the call trees of `actors`."""

__version__ = "0.1.0"
