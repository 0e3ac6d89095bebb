"""SIP as a sans-IO protocol: bytes and `now` in, messages and events out.

Messages (`message`, `framing`, `digest`) know nothing of transactions; transactions and dialogs know nothing
of calls. No socket, clock or randomness comes in here.
"""
