"""`clutch sub`: a track into a file."""

from __future__ import annotations

import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import attrs
import click
import trio

from clutch.cli.node_options import form_of, form_options, node_options, run_client, say_states
from clutch.client import Subscription, Voice
from clutch.client.audio_files import AudioFile, OggFile, WavFile
from clutch.client.names import track_path
from clutch.node.errors import NodeError
from clutch.wire.voice import Codec, VoiceForm

OGG = (".ogg", ".opus")


@attrs.define
class _Heard:
    """What came."""

    frames: int = 0
    lost: int = 0
    gaps: int = 0


@click.command()
@click.argument("namespace")
@click.argument("track", required=False)
@form_options[0]
@form_options[1]
@click.option("--capability", help="Take the first track under NAMESPACE that is this, as voice/opus.")
@click.option(
    "-o", "--output", metavar="FILE", help="WAV or .ogg file to keep it in; - is WAV to the output."
)
@click.option("--duration", type=click.FloatRange(min=0), help="Stop so many seconds after the first frame.")
@node_options
def sub(
    voice: Voice,
    namespace: str,
    track: str | None,
    codec: str,
    rate_hz: int | None,
    capability: str | None,
    output: str | None,
    duration: float | None,
) -> None:
    """Subscribe to the audio of NAMESPACE/TRACK, until it ends, for --duration, or until Ctrl-C.

    So `clutch sub voice/SID/uplink -o caller.wav` keeps what the caller says. A track that nobody publishes
    yet is waited for. What is missing is silent in the file, and counted.
    """
    if track and capability:
        raise click.UsageError("either TRACK or --capability")
    form = form_of(track, codec, rate_hz)
    with suppress(ValueError):
        form = VoiceForm.of_capability(capability) if capability else form
    _check_output(output, form)
    name = None if capability else track or form.track.decode()
    run_client(_listen, voice, namespace, name, form, capability or "", output, duration)


async def _listen(
    voice: Voice,
    namespace: str,
    track: str | None,
    form: VoiceForm,
    capability: str,
    output: str | None,
    duration: float | None,
) -> None:
    async with voice, trio.open_nursery() as nursery:
        nursery.start_soon(say_states, voice)
        nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
        if track is None:
            search = voice.subscribe_audio(namespace, capability=capability)
            subscription = await search.__anext__()
        else:
            subscription = voice.subscribe_audio(namespace, track, frame_ms=form.ptime_ms)
        with subscription:
            await _keep(subscription, form, output, duration)
        nursery.cancel_scope.cancel()


async def _keep(
    subscription: Subscription, form: VoiceForm, output: str | None, duration: float | None
) -> None:
    heard, file, stream = _Heard(), None, None
    limit = trio.CancelScope()
    try:
        with limit:
            async for frame in subscription:
                if not heard.frames:
                    limit.deadline = trio.current_time() + (math.inf if duration is None else duration)
                    form = _said(subscription, form)
                    click.echo(f"hearing {track_path(subscription.name)}: {form.capability}", err=True)
                    stream = _open(output)
                    file = _file(output, stream, form)
                heard.frames += 1
                if frame.gap:
                    heard.gaps, heard.lost = heard.gaps + 1, heard.lost + frame.gap.frames
                    click.echo(f"gap: {frame.gap.ms} ms are missing", err=True)
                if file is not None:
                    file.add(frame.payload, frame.gap)
    finally:
        if file is not None and stream is not None:
            file.finish()
            stream.close()
        seconds = file.seconds if file is not None else heard.frames * form.ptime_ms / 1000
        bad = subscription.bad + (file.bad if file is not None else 0)
        unread = f", {bad} not readable" if bad else ""
        click.echo(
            f"{seconds:.1f} s, {heard.frames} frames, {heard.lost} lost in {heard.gaps} gaps{unread}",
            err=True,
        )
    if not heard.frames:
        raise NodeError(f"{track_path(subscription.name)} ended, and nothing was heard")


async def _stop_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def _said(subscription: Subscription, form: VoiceForm) -> VoiceForm:
    """The form that the publisher says; what was asked for, if it does not."""
    try:
        return VoiceForm.of_capability(subscription.capability)
    except ValueError:
        return form


def _check_output(output: str | None, form: VoiceForm) -> None:
    """Said before the node is looked for; a file that is there is not touched before something is heard."""
    if output is None or output == "-":
        return
    path = Path(output)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"{output} cannot be written", param_hint="-o")
    if output.endswith(OGG) and form.codec is not Codec.OPUS:
        raise click.BadParameter(_not_ogg(form), param_hint="-o")


def _not_ogg(form: VoiceForm) -> str:
    return f"an Ogg file holds Opus, not {form.capability}; use .wav"


def _open(output: str | None) -> BinaryIO | None:
    if output is None:
        return None
    return sys.stdout.buffer if output == "-" else open(output, "wb")


def _file(output: str | None, stream: BinaryIO | None, form: VoiceForm) -> AudioFile | None:
    if stream is None:
        return None
    if output is not None and output.endswith(OGG):
        if form.codec is not Codec.OPUS:
            raise NodeError(_not_ogg(form))
        return OggFile(stream)
    return WavFile(stream, form)
