"""AgentPort adapters: who talks to the caller. Audio in, audio out; no signalling, no sockets of a call."""
