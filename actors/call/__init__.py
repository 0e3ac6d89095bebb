"""The call tree: leg, recorder, bridge and agent under one supervisor, and the ports they speak to.

May come in: what every call has. May not: SIP, RTP, QUIC or any other protocol; those sit behind the ports.
"""

from actors.call.call import Call, CallSpec, StatusChanged
from actors.call.calls import Calls
from actors.call.cause import CALL_MOVES, REASONS, CallStatus, Cause, Meaning, Party, Reason
from actors.call.errors import CallError, IllegalMove, LegEnded, MediaUnavailable, RecordError
from actors.call.ports import (
    FRAME_MS,
    AgentPort,
    Conversation,
    Dtmf,
    LegPort,
    MediaEvent,
    MediaFrame,
    MediaPort,
    MediaStats,
    MediaStream,
    MediaTimeout,
    Recording,
    RecordSink,
    Side,
    SpeechEnded,
    SpeechStarted,
)
from actors.call.recorder import RecordingGaps, TapRecording
from actors.call.tree import CALL_BUDGET_S

__all__ = [
    "CALL_BUDGET_S",
    "CALL_MOVES",
    "FRAME_MS",
    "REASONS",
    "AgentPort",
    "Call",
    "CallError",
    "CallSpec",
    "CallStatus",
    "Calls",
    "Cause",
    "Conversation",
    "Dtmf",
    "IllegalMove",
    "LegEnded",
    "LegPort",
    "Meaning",
    "MediaEvent",
    "MediaFrame",
    "MediaPort",
    "MediaStats",
    "MediaStream",
    "MediaTimeout",
    "MediaUnavailable",
    "Party",
    "Reason",
    "RecordError",
    "RecordSink",
    "Recording",
    "RecordingGaps",
    "Side",
    "SpeechEnded",
    "SpeechStarted",
    "StatusChanged",
    "TapRecording",
]
