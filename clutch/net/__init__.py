"""Trio shells that own sockets: the SIP endpoint and the drivers of the media planes.

May import wire, media, auth, native and actors; knows no dialplan, no configuration and no call tree.
"""
