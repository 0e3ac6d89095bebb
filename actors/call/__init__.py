"""The call tree: leg, recorder, bridge and agent under one supervisor, and the ports they speak to.

May come in: what every call has. May not: SIP, RTP, QUIC or any other protocol; those sit behind the ports.
"""

from actors.call.call import Call, CallSpec, StatusChanged
from actors.call.calls import Calls
from actors.call.cause import CALL_MOVES, REASONS, CallStatus, Cause, Meaning, Party, Reason
from actors.call.downlink import Downlink, Lease, Mix, Speaker
from actors.call.errors import CallError, DownlinkTaken, IllegalMove, LegEnded, MediaUnavailable, RecordError
from actors.call.ports import (
    FRAME_MS,
    AgentPort,
    CallAudio,
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
    TracksPort,
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
    "CallAudio",
    "CallError",
    "CallSpec",
    "CallStatus",
    "Calls",
    "Cause",
    "Conversation",
    "Downlink",
    "DownlinkTaken",
    "Dtmf",
    "IllegalMove",
    "Lease",
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
    "Mix",
    "Party",
    "Reason",
    "RecordError",
    "RecordSink",
    "Recording",
    "RecordingGaps",
    "Side",
    "Speaker",
    "SpeechEnded",
    "SpeechStarted",
    "StatusChanged",
    "TapRecording",
    "TracksPort",
]
