"""What the media plane raises."""

from __future__ import annotations

import os


class MediaError(OSError):
    """A call into the media plane failed; `errno` says why, as for any OSError.

    EINVAL: a parameter that does not exist (codec, rate, payload type). ENOTSUP: this build lacks it.
    EADDRNOTAVAIL: no free port. EAGAIN: too many commands are under way. EBUSY: it is recorded already.
    EBADMSG: a payload that its codec does not know. ENOMEM.
    """


def check(result: int, doing: str) -> int:
    """Return a C result, or raise `MediaError` if it is a negative errno."""
    if result < 0:
        raise MediaError(-result, f"{doing}: {os.strerror(-result)}")
    return result
