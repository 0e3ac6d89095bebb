"""MoQT as a sans-IO codec: control messages, data streams and datagrams of drafts 16, 18 and 20.

One set of message classes for all drafts, in the words of draft-ietf-moq-transport-18; a `Draft` says how
they are written. State of sessions is above (`session`); sockets, clocks and randomness stay out.
"""
