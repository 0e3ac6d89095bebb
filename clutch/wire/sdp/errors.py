"""What can be wrong with a peer's session description. Both are the peer's, with the answer to send."""

from __future__ import annotations


class SdpParseError(Exception):
    """The description breaks RFC 8866: names the line and the rule it breaks."""

    status = 400
    """The SIP status code to answer with."""

    def __init__(self, line: int, rule: str) -> None:
        super().__init__(f"SDP line {line}: {rule}" if line else f"SDP: {rule}")
        self.line = line
        """Line number, from 1; 0 if the whole description is meant."""
        self.rule = rule


class NotAcceptable(Exception):
    """A well-formed description that we cannot agree to."""

    status = 488
    """The SIP status code to answer an offer with. A bad answer has no response: end the call."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        """Warning code of RFC 3261 section 20.43, such as 305 for an incompatible media format."""
        self.text = text

    def warning(self, agent: str) -> str:
        """The value of a Warning header, signed by `agent` (a host name or pseudonym)."""
        quoted = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.code} {agent} "{quoted}"'
