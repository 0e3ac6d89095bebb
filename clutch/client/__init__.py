"""The Python SDK: tracks of a node, from outside, over QUIC or WebTransport.

It holds connections, what is published and subscribed over them, and how all that comes back after a loss.
Nothing of the node or its relay is known here.
"""
