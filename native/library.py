"""Find the compiled library, or say why there is none."""

from __future__ import annotations

import errno
import functools
import os
from typing import TYPE_CHECKING

from native.errors import MediaError
from native.values import SUITES

if TYPE_CHECKING:
    from native._native import FFI, Lib

_loaded: tuple[FFI, Lib] | None = None
reason = ""
"""Why the native plane is not available; empty if it is."""

if os.environ.get("CLUTCH_NATIVE") == "off":
    reason = "switched off by CLUTCH_NATIVE=off"
else:
    try:
        from native._native import ffi, lib
    except ImportError as error:
        reason = f"not built ({error}); run: python native/build.py"
    else:
        _loaded = ffi, lib

available = _loaded is not None
"""True if the C media plane can be used."""


def load() -> tuple[FFI, Lib]:
    """The cffi pair (ffi, lib). Raises `MediaError` (ENOTSUP) with the reason if it is not available."""
    if _loaded is None:
        raise MediaError(errno.ENOTSUP, f"no native media plane: {reason}")
    return _loaded


def features() -> frozenset[str]:
    """What the library was built with: ``udp``, ``opus``. Empty if it is not available."""
    if _loaded is None:
        return frozenset()
    ffi, lib = _loaded
    return frozenset(ffi.string(lib.native_features()).decode().split())


@functools.cache
def srtp_suites() -> frozenset[str]:
    """Those of `SUITES` that streams can be protected by here: none without libsrtp2."""
    if _loaded is None:
        return frozenset()
    _, lib = _loaded
    return frozenset(suite for number, suite in enumerate(SUITES, 1) if lib.srtp_has(number))
