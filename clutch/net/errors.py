"""Errors of the network seam: what the world did, in our words."""

from __future__ import annotations


class NetworkError(Exception):
    """Something the network refused or broke; never a mistake of ours."""


class AddressUnavailable(NetworkError):
    """The address is not one of this machine, or may not be used by this process."""


class PortInUse(NetworkError):
    """Another socket has the address."""

    def __init__(self, transport: str, host: str, port: int, owner: str | None) -> None:
        by = f" by {owner}" if owner else ""
        super().__init__(f"{transport} {host} port {port} is in use{by}")
        self.owner = owner
        """The process that has it, as ``name (pid 42)``, if this machine tells."""


class RoomError(Exception):
    """Not possible in this room: a stream that is closed, of another plane, or not where it would have to be;
    or the plane cannot do it now. Nothing has happened."""


class BackendUnavailable(NetworkError):
    """No backend that the media plane was told to use works on this machine."""


class ResolveFailed(NetworkError):
    """A host name has no address."""


class ConnectFailed(NetworkError):
    """The peer refused the connection or did not answer in time."""


class CertificateRejected(ConnectFailed):
    """The peer shows a certificate that is not trusted; another attempt ends alike."""


class BrokenStream(NetworkError):
    """The connection was reset by the peer or by the way to it."""
