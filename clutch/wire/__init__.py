"""Sans-IO protocols: bytes in, events out, time as an argument.

No trio, asyncio, socket, clock or randomness comes in here.
"""
