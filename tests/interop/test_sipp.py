"""sipp as a crowd: a thousand calls, a hundred at a time, all with audio; afterwards nothing is left."""

from __future__ import annotations

from pathlib import Path

from tests.interop import sipp
from tests.interop.node import RunningNode, free_port

CALLS = 1000
AT_A_TIME = 100


def test_a_thousand_calls_leave_nothing(node: RunningNode, speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sipp"
    folder.mkdir()
    sipp.raw_ulaw(speech, folder / "speech.ul", 1.5)
    target = f"127.0.0.1:{node.sip_port}"
    port = str(free_port())
    sipp.run("talk", target, folder, "-m", "1", "-p", port)  # so that lazy things are there
    before = node.settled()
    rate = ["-l", str(AT_A_TIME), "-r", "45", "-m", str(CALLS)]
    sipp.run("talk", target, folder, *rate, "-p", port, timeout_s=180)
    after = node.settled()
    assert after["ended"] == {"completed": CALLS + 1}
    assert len(node.recordings()) == CALLS + 1
    assert (after["calls"], after["rtp_ports"]) == (0, 0)
    assert after["tasks"] == before["tasks"], (before, after)
    assert after["fds"] == before["fds"], (before, after)
