"""The crypto suites that we know, under their names in SDP."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Suite:
    """What one name stands for."""

    name: str
    key_bytes: int
    """Length of the master key."""
    salt_bytes: int
    """Length of the master salt, which stands behind the key wherever keys are carried."""
    tag_bytes: int
    """Length of the authentication tag of an SRTP packet."""
    report_tag_bytes: int
    """The same for SRTCP."""
    aead: bool = False
    """AES-GCM, rather than AES in counter mode with HMAC-SHA1."""

    @property
    def material_bytes(self) -> int:
        """Length of master key and salt together."""
        return self.key_bytes + self.salt_bytes


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10),
        Suite("AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10),
        Suite("AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10),
        Suite("AEAD_AES_128_GCM", 16, 12, 16, 16, aead=True),
        Suite("AEAD_AES_256_GCM", 32, 12, 16, 16, aead=True),
    )
}
"""RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.2."""
