"""Who may publish and subscribe what: JWTs (RFC 7519) with patterns of MoQT namespaces.

Pure: keys and tokens are bytes, `now` is an argument. No sockets, no files, no clock.
"""
