"""`clutch call`: a phone in the terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click
import trio

from actors import Cause, MediaStats, Party, Reason
from clutch.agents.caller import Caller
from clutch.cli.program import run_program
from clutch.media.errors import AudioError
from clutch.media.wav import read_wav
from clutch.node.config import LogConfig
from clutch.node.errors import NodeError
from clutch.node.log import printable, set_up_logging
from clutch.node.phone import CODECS_OFFERED, Dial, Phone, open_phone
from clutch.node.quality import summarise as quality
from clutch.wire.sdp import CODECS

EXIT_STATUS: Mapping[Reason, int] = {
    Reason.NO_ANSWER: 3,
    Reason.CANCELLED: 3,
    Reason.BUSY: 4,
    Reason.REJECTED: 5,
    Reason.NOT_FOUND: 6,
    Reason.UNREACHABLE: 7,
    Reason.NOT_ACCEPTABLE: 8,
}
"""Exit status of a call that was not answered, by reason; 9 for any other. 0: it was answered and completed;
1: it could not be tried; 2: wrong usage."""
EXIT_OTHER = 9
PASSWORD = "CLUTCH_PASSWORD"
METER_FLOOR_DBFS = -60
METER_WIDTH = 10
REDRAW_S = 0.2


@click.command()
@click.argument("target", metavar="SIP_URI")
@click.option("--play", type=click.Path(path_type=Path), help="WAV to say; without --duration, then hang up.")
@click.option("--record", type=click.Path(path_type=Path), help="WAV to keep what is heard in.")
@click.option("--codec", type=click.Choice(list(CODECS)), help="Offer this codec only.")
@click.option("--srtp", is_flag=True, help="Encrypt the audio, or do not call.")
@click.option("--dtmf", default="", metavar="KEYS", help="Keys to press once answered, of 0-9*#A-D.")
@click.option("--duration", type=click.FloatRange(min=0), help="Hang up so many seconds after the answer.")
@click.option(
    "--ring",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Give up after so many seconds without answer.",
)
@click.option("--user", default="clutch", show_default=True, help="Our name, also for authentication.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the call, at its end.")
def call(
    target: str,
    play: Path | None,
    record: Path | None,
    codec: str | None,
    srtp: bool,
    dtmf: str,
    duration: float | None,
    ring: float,
    user: str,
    as_json: bool,
) -> None:
    """Call SIP_URI, and talk until --duration, the end of --play, or Ctrl-C.

    A password for digest authentication is taken from the environment variable CLUTCH_PASSWORD. The exit
    status says how the call ended: 0 completed, 3 no answer, 4 busy, 5 rejected, 6 not found, 7 unreachable,
    8 no common codec, 9 anything else.
    """
    set_up_logging(LogConfig(level="warning"))
    if unknown := set(dtmf) - set("0123456789*#ABCD"):
        raise click.BadParameter(f"{''.join(sorted(unknown))} is no key", param_hint="--dtmf")
    caller = Caller(_sound(play), dtmf, duration)
    codecs = (codec,) if codec else CODECS_OFFERED
    dial = Dial(target, codecs, record, user, os.environ.get(PASSWORD), ring, srtp)
    phone = run_program(_converse, dial, caller, as_json)
    summary = summarise(phone)
    click.echo(json.dumps(summary) if as_json else _sentence(summary))
    sys.exit(exit_status(phone))


async def _converse(dial: Dial, caller: Caller, quiet: bool) -> Phone:
    async with open_phone(dial, caller) as phone, trio.open_nursery() as nursery:
        nursery.start_soon(_hang_up_on_signal, phone)
        if not quiet:
            nursery.start_soon(_show, phone, caller)
        await phone.call.wait()
        nursery.cancel_scope.cancel(reason="the call is over")
    return phone


async def _hang_up_on_signal(phone: Phone) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            reason = Reason.NORMAL if phone.call.answered else Reason.CANCELLED
            phone.call.hangup(Cause(reason, Party.CALLER))


async def _show(phone: Phone, caller: Caller) -> None:
    """The status, as it changes; on a terminal also meters and quality, in one line that is drawn again."""
    live = sys.stderr.isatty()
    last = ""
    try:
        while True:
            status = phone.call.status.value
            line = f"\r{status:<12} {_meters(caller)}  {_quality(phone)}\x1b[K" if live else f"{status}\n"
            if live or line != last:
                click.echo(line, nl=False, err=True)
                last = line
            await trio.sleep(REDRAW_S)
    finally:
        if live:
            click.echo(err=True)


def _meters(caller: Caller) -> str:
    return f"you {meter(caller.said_dbfs)}  they {meter(caller.heard_dbfs)}"


def _quality(phone: Phone) -> str:
    """How we hear, and how they do; a dash for what is not known yet. Short: a line has 80 columns."""
    codec = phone.leg.codec
    if codec is None:
        return ""
    found = quality(phone.stats, codec)
    known = {name: "-" if value is None else value for name, value in found.items()}
    return f"loss {found['loss_percent']:.1f} %  mos {known['mos']}/{known['remote_mos']}"


def meter(level_dbfs: float) -> str:
    """A bar from -60 dBFS to full scale."""
    filled = (
        round(max(0.0, 1 - level_dbfs / METER_FLOOR_DBFS) * METER_WIDTH) if level_dbfs < 0 else METER_WIDTH
    )
    return "[" + "#" * filled + "." * (METER_WIDTH - filled) + "]"


def concealed_percent(stats: MediaStats) -> float:
    """How much of what should have been heard had to be made up."""
    wanted = stats.played + stats.concealed
    return 100 * stats.concealed / wanted if wanted else 0.0


def summarise(phone: Phone) -> dict[str, Any]:
    """All that is known of a call that is over, as JSON carries it."""
    call, cause = phone.call, phone.call.why()
    answered, ended = call.answered_at, call.ended_at
    stats, codec = phone.stats, phone.leg.codec
    assert ended is not None
    return {
        "sid": call.sid,
        "target": call.spec.callee,
        "status": call.status.value,
        "reason": cause.reason.value,
        "by": cause.by.value,
        "sip": cause.sip,
        "q850": cause.q850,
        "text": printable(cause.text),
        "codec": codec,
        "srtp": phone.leg.suite,
        "setup_s": round(answered - call.started_at, 3) if answered is not None else None,
        "duration_s": round(ended - answered, 3) if answered is not None else 0.0,
        "loss_percent": round(stats.loss_percent, 2),
        "concealed_percent": round(concealed_percent(stats), 2),
        "quality": quality(stats, codec) if codec else None,
        "media": attrs.asdict(stats),
    }


def exit_status(phone: Phone) -> int:
    """See `EXIT_STATUS`."""
    if phone.call.status.value == "completed":
        return 0
    return EXIT_STATUS.get(phone.call.why().reason, EXIT_OTHER)


def _sentence(summary: Mapping[str, Any]) -> str:
    words = f"{summary['status']}: {summary['reason']} by {summary['by']} (SIP {summary['sip']})"
    if summary["codec"]:
        found = summary["quality"]
        under = f" under {summary['srtp']}" if summary["srtp"] else ""
        words += f", {summary['duration_s']:.1f} s of {summary['codec']}{under}"
        words += f", {found['loss_percent']:.1f} % lost"
        words += f", jitter {found['jitter_ms']:.1f} ms"
        if found["round_trip_ms"] is not None:
            words += f", round trip {found['round_trip_ms']:.1f} ms"
        if found["mos"] is not None:
            words += f", MOS {found['mos']:.1f}"
    return f"{words}{': ' + summary['text'] if summary['text'] else ''}"


def _sound(play: Path | None) -> Any:
    if play is None:
        return None
    try:
        return read_wav(play).at
    except AudioError as error:
        raise NodeError(f"--play {error}") from error
