"""`clutch pub`: a file as a track."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import click
import trio

from clutch.cli.node_options import form_of, form_options, node_options, run_client, say_states
from clutch.client import Publication, Voice, VoiceError
from clutch.client.audio_files import read_frames
from clutch.client.pace import Pacer
from clutch.client.publication import unix_us
from clutch.wire.voice import VoiceForm

ANSWER_S = 2.0
"""How long the node may take to say who wants it, before it is sent anyway."""
LEAD_S = 0.06


@attrs.define
class _Sent:
    """What went out."""

    us: int = 0
    taken: int = 0
    """Frames that somebody took."""


@click.command()
@click.argument("namespace")
@click.argument("words", nargs=-1, required=True, metavar="[TRACK] FILE")
@form_options[0]
@form_options[1]
@click.option("--capability", help="What the track is said to be; by default from codec and rate.")
@click.option("--loop", is_flag=True, help="Again and again, until Ctrl-C or until it is refused.")
@node_options
def pub(
    voice: Voice,
    namespace: str,
    words: tuple[str, ...],
    codec: str,
    rate_hz: int | None,
    capability: str | None,
    loop: bool,
) -> None:
    """Publish FILE, a WAV or Ogg Opus file or - for standard input, as NAMESPACE/TRACK in real time.

    So `clutch pub voice/SID/downlink hello.wav` says something to the caller. TRACK is by default `audio`, or
    what the other forms of a call's audio are called: `audio.pcm16.16000`.
    """
    if len(words) > 2:
        raise click.UsageError("NAMESPACE, TRACK and FILE, no more")
    *tracks, file = words
    form = form_of(tracks[0] if tracks else None, codec, rate_hz)
    track = tracks[0] if tracks else form.track.decode()
    run_client(_publish, voice, namespace, track, form, capability or form.capability, file, loop)


async def _publish(
    voice: Voice, namespace: str, track: str, form: VoiceForm, capability: str, file: str, loop: bool
) -> None:
    with click.open_file(file, "rb") as source:
        data = source.read()
    if next(read_frames(data, form), None) is None:  # said before the node is looked for
        raise VoiceError(f"{file}: there is no audio in it")
    async with voice, trio.open_nursery() as nursery:
        nursery.start_soon(say_states, voice)
        with voice.publish_audio(
            namespace, track, capability=capability, frame_ms=form.ptime_ms
        ) as publication:
            await voice.connected()
            with trio.move_on_after(ANSWER_S):
                await publication.established.wait()
            if said := publication.refusal:
                click.echo(f"not taken for now: {said}", err=True)
            sent = _Sent()
            await _send(publication, read_frames(data, form), sent)
            while loop and not publication.refusal:
                await _send(publication, read_frames(data, form), sent)
        if publication.refusal:
            why = f": {publication.refusal}" if publication.refusal != said else ""
            raise VoiceError(f"{namespace}/{track} was not taken{why}")
        lost = f", {publication.dropped} frames lost" if publication.dropped else ""
        nobody = "" if sent.taken else ", and nobody took it"
        click.echo(f"{sent.us / 1e6:.1f} s published{lost}{nobody}", err=True)
        nursery.cancel_scope.cancel()


async def _send(publication: Publication, frames: Iterator[tuple[bytes, int]], sent: _Sent) -> None:
    """In real time, whatever the length of each frame is."""
    pacer = Pacer(LEAD_S)
    for payload, duration_us in frames:
        ahead_s = await pacer.wait(duration_us / 1e6)
        sent.taken += publication.write(payload, unix_us() + round(ahead_s * 1e6))
        sent.us += duration_us
