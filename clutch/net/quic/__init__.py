"""QUIC for media: the port that every engine fills, and the engines. What is said on it is not known here."""
