"""The one place where private parts of aioquic are used, and why; its version is pinned.

What aioquic lacks and is added here: connection IDs with a shard, stream limits, windows that stay as they
are instead of doubling whatever the application does, the account of what waits to be sent, priorities of
streams. And a short cut: once a connection is established, nearly every packet has nothing but ACK, STREAM
and DATAGRAM frames, and is built (`sending`) and read (`receiving`) without aioquic's general machinery;
everything else takes aioquic's own way, on the same state.
"""

from clutch.net.quic.aioquic_private.http3 import Http3
from clutch.net.quic.aioquic_private.packets import (
    CID_BYTES,
    VERSIONS,
    initial_close,
    new_cid,
    reset_token,
)
from clutch.net.quic.aioquic_private.quic import Quic

__all__ = ["CID_BYTES", "VERSIONS", "Http3", "Quic", "initial_close", "new_cid", "reset_token"]
