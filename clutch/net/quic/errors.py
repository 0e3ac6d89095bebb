"""Errors of the QUIC engines, besides those of `clutch.net.errors`."""

from __future__ import annotations

from clutch.net.errors import NetworkError


class CertificateUnusable(NetworkError):
    """A certificate or its key cannot be read, or they do not belong together; or a
    file of authorities cannot."""
