"""Control messages out of the bytes of a stream."""

from __future__ import annotations

import attrs

from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.messages import Message


@attrs.define(eq=False)
class ControlParser:
    """Cuts a control or request stream into messages. It never holds more than one message and one `feed`."""

    draft: Draft
    _buffer: bytes = b""

    @property
    def partial(self) -> bool:
        """A message has begun and not ended: a FIN now is an error."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises RemoteProtocolError, after which the parser is done for.

        An error takes the messages before it in the same `feed` with it: the session ends anyway.
        """
        data = self._buffer + data
        messages: list[Message] = []
        offset = 0
        while True:
            try:
                type_, start = self.draft.integer.get(data, offset)
                layout = self.draft.layout(type_)
                start += 2
                end = start + (data[start - 2] << 8 | data[start - 1])
            except IndexError:
                break
            if end > len(data):
                break
            messages.append(layout.read(data[start:end], self.draft.integer))
            offset = end
        self._buffer = data[offset:]
        return messages
