"""Setup options (draft 18 section 10.3.1; Setup Parameters in draft 16). None means left out."""

from __future__ import annotations

import attrs

from clutch.wire.moqt.parameters import Token
from clutch.wire.moqt.properties import Property


@attrs.frozen
class Options:
    """What an endpoint tells about itself first of all."""

    path: str | None = None
    """Path and query of the URI; only from a client over raw QUIC."""
    authorization: tuple[Token, ...] = ()
    max_auth_token_cache_size: int = 0
    """Bytes of tokens with an alias; 0: no aliases."""
    authority: str | None = None
    """Authority of the URI; only from a client over raw QUIC."""
    implementation: str | None = None
    max_request_id: int = 0
    """Draft 16 only: the peer's request IDs must stay below it."""
    max_filter_ranges: int = 0
    """Draft 20 only: ranges that a request of the peer may filter by."""
    max_request_updates: int = 0
    """Draft 20 only: unanswered REQUEST_UPDATEs that a request of the peer may have; 0: any number."""
    unknown: tuple[Property, ...] = ()
    """Options that nobody here knows; ignored, and written if set."""
