"""What aioquic is told about each connection."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import attrs
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.logger import QuicLogger
from cryptography import x509

from clutch.net.quic.aioquic_private import CID_BYTES
from clutch.net.quic.certificates import Certificate
from clutch.net.quic.engine import Limits, Target
from clutch.net.quic.errors import CertificateUnusable
from clutch.net.quic.qlog import QlogFolder
from clutch.net.quic.tickets import Resumption

H3 = "h3"
"""The ALPN of HTTP/3, which carries WebTransport."""
STREAM_WINDOW = 1 << 20
"""Most bytes that a stream may have on the way; of all together `Limits.session_unread`."""
_DATAGRAM_FRAME = 65_536


@attrs.define(eq=False)
class Configurations:
    """Makes aioquic's configurations."""

    _protocols: Sequence[str]
    _limits: Limits
    _congestion: str
    _keylog: TextIO | None = attrs.field(init=False, default=None, repr=False)
    _qlog: QuicLogger | None = attrs.field(init=False, default=None, repr=False)
    _server: tuple[Certificate, QuicConfiguration] | None = attrs.field(init=False, default=None, repr=False)

    def open_logs(self, keylog: Path | None, qlog: Path | None) -> None:
        """Write secrets to a file, and traces to a folder, from now on."""
        self._server = None
        self._keylog = None if keylog is None else keylog.open("a")
        self._qlog = None if qlog is None else QlogFolder(qlog)

    def close_logs(self) -> None:
        """No connection is left."""
        if self._keylog is not None:
            self._keylog.close()

    def server(self, certificate: Certificate) -> QuicConfiguration:
        """For a connection that is shown this certificate."""
        if self._server is None or self._server[0] is not certificate:
            made = self._common(is_client=False, protocols=[*self._protocols, H3])
            made.certificate, *made.certificate_chain = certificate.chain
            made.private_key = certificate.key
            self._server = certificate, made
        return self._server[1]

    def client(self, target: Target, resumption: Resumption | None) -> QuicConfiguration:
        """For a connection to there. One that is resumed speaks what it spoke before.

        Raises `CertificateUnusable` for the file of authorities.
        """
        protocols = [H3] if target.kind == "webtransport" else target.protocols
        made = self._common(is_client=True, protocols=protocols)
        if resumption is not None:
            made.alpn_protocols, made.session_ticket = [resumption.protocol], resumption.ticket
        made.server_name = target.host
        trust = target.trust
        if trust.insecure or trust.fingerprint is not None:
            made.verify_mode = ssl.CERT_NONE  # a fingerprint is checked when the certificate is known
        elif trust.ca_file is not None:
            made.load_verify_locations(cadata=_authorities(trust.ca_file))
        else:
            system = ssl.get_default_verify_paths()
            made.load_verify_locations(system.cafile, system.capath)
        return made

    def _common(self, *, is_client: bool, protocols: Sequence[str]) -> QuicConfiguration:
        return QuicConfiguration(
            is_client=is_client,
            alpn_protocols=list(protocols),
            congestion_control_algorithm=self._congestion,
            connection_id_length=CID_BYTES,
            idle_timeout=self._limits.idle_s,
            max_data=self._limits.session_unread,
            max_stream_data=min(STREAM_WINDOW, self._limits.session_unread),
            max_datagram_frame_size=_DATAGRAM_FRAME,
            secrets_log_file=self._keylog,
            quic_logger=self._qlog,
        )


def _authorities(path: Path) -> bytes:
    """A file of certificates in PEM, all of which can be read."""
    try:
        pem = path.read_bytes()
        x509.load_pem_x509_certificates(pem)
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"cannot use the authorities {path}: {error}") from error
    return pem
