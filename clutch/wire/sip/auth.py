"""The grammar of Digest challenges and credentials (RFC 3261 section 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import LWS, end_of_quoted, is_token, quote, split_list, split_word, unquote


@attrs.frozen
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value. Parameters that we do not know are left out."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    """As written; names match in any case."""
    qop: tuple[str, ...] = ()
    """Qualities of protection on offer, in lower case; empty for an RFC 2069 server."""
    opaque: str | None = None
    stale: bool = False
    """True if only the nonce was refused: try again with this one."""
    domain: str | None = None

    @classmethod
    def parse(cls, text: str) -> Challenge:
        """Read one field value. Raises SipParseError(400), also for any scheme but Digest."""
        params = _parse(text, ("realm", "nonce"))
        qop = params.get("qop", "").lower().split(",")
        return cls(
            params["realm"],
            params["nonce"],
            params.get("algorithm", "MD5"),
            tuple(value for value in map(str.strip, qop) if value),
            params.get("opaque"),
            params.get("stale", "").lower() == "true",
            params.get("domain"),
        )

    def __str__(self) -> str:
        return _format(
            ("realm", quote(self.realm)),
            ("domain", _quote(self.domain)),
            ("nonce", quote(self.nonce)),
            ("opaque", _quote(self.opaque)),
            ("stale", "true" if self.stale else None),
            ("algorithm", self.algorithm),
            ("qop", quote(",".join(self.qop)) if self.qop else None),
        )


@attrs.frozen
class Credentials:
    """One Authorization or Proxy-Authorization value."""

    username: str
    realm: str
    nonce: str
    uri: str
    """Digest URI, as hashed; a proxy may have changed the Request-URI since (RFC 3261 section 22.4)."""
    response: str
    """The digest, in hexadecimal."""
    algorithm: str = "MD5"
    qop: str | None = None
    nc: str | None = None
    """Nonce count as written: eight hexadecimal digits. Not None if `qop` is not."""
    cnonce: str | None = None
    """Not None if `qop` is not."""
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Read one field value. Raises SipParseError(400), also for any scheme but Digest."""
        params = _parse(text, ("username", "realm", "nonce", "uri", "response"))
        found = cls(
            username=params["username"],
            realm=params["realm"],
            nonce=params["nonce"],
            uri=params["uri"],
            response=params["response"],
            algorithm=params.get("algorithm", "MD5"),
            qop=params.get("qop"),
            nc=params.get("nc"),
            cnonce=params.get("cnonce"),
            opaque=params.get("opaque"),
        )
        if found.qop is not None and (found.cnonce is None or not _is_count(found.nc or "")):
            raise SipParseError(400, "qop without cnonce and an nc of eight digits")
        return found

    def __str__(self) -> str:
        return _format(
            ("username", quote(self.username)),
            ("realm", quote(self.realm)),
            ("nonce", quote(self.nonce)),
            ("uri", quote(self.uri)),
            ("response", quote(self.response)),
            ("algorithm", self.algorithm),
            ("cnonce", _quote(self.cnonce)),
            ("opaque", _quote(self.opaque)),
            ("qop", self.qop),
            ("nc", self.nc),
        )


def _parse(text: str, required: tuple[str, ...]) -> dict[str, str]:
    scheme, rest = split_word(text)
    if scheme.lower() != "digest":
        raise SipParseError(400, "authentication scheme is not Digest")
    params: dict[str, str] = {}
    for name, value in map(_parse_pair, filter(None, split_list(rest, ","))):
        if name in params:
            raise SipParseError(400, "Digest parameter is there twice")
        params[name] = value
    for name in required:
        if name not in params:
            raise SipParseError(400, f"Digest without {name}")
    return params


def _parse_pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name, value = name.rstrip(LWS), value.lstrip(LWS)
    quoted = value.startswith('"') and end_of_quoted(value, 0) == len(value)
    if not (equals and is_token(name) and value and (quoted or '"' not in value)):
        raise SipParseError(400, "Digest parameter is not name=value")
    return name.lower(), unquote(value)


def _is_count(text: str) -> bool:
    return len(text) == 8 and all(char in "0123456789abcdefABCDEF" for char in text)


def _quote(text: str | None) -> str | None:
    return None if text is None else quote(text)


def _format(*params: tuple[str, str | None]) -> str:
    return "Digest " + ", ".join(f"{name}={value}" for name, value in params if value is not None)
