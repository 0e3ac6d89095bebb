"""How `clutch pub` and `clutch sub` reach a node, and what they say about it."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from clutch.cli.program import run_program
from clutch.client import State, Voice, VoiceError
from clutch.client.address import parse_address
from clutch.media.errors import AudioError
from clutch.net.quic.engine import Trust
from clutch.node.errors import NodeError, first_error
from clutch.wire.voice import Codec, VoiceForm
from native import MediaError

DEFAULT_URL = "moqt://127.0.0.1:4443"
TOKEN = "CLUTCH_TOKEN"


def node_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--url``, ``--token`` and so on, and the `Voice` they make as its `voice`."""

    @functools.wraps(command)
    def connected(
        url: str,
        token: str | None,
        token_file: Path | None,
        ca_file: Path | None,
        fingerprint: str | None,
        insecure: bool,
        **rest: Any,
    ) -> None:
        if token and token_file:
            raise click.UsageError("either --token or --token-file")
        if token_file is not None:
            token = _read_token(token_file)
        if ca_file is not None:
            _check_authorities(ca_file)
        trust = Trust(ca_file, _digest(fingerprint), insecure or _is_own(url, ca_file, fingerprint))
        command(voice=Voice(url, token=token or "", trust=trust), **rest)

    for option in _OPTIONS:
        connected = option(connected)
    return connected


def run_client(main: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Run a program of the SDK; what it cannot do is a `NodeError`."""
    failure: Exception
    try:
        run_program(main, *arguments)
        return
    except* (VoiceError, AudioError, MediaError, OSError, ValueError) as group:
        failure = NodeError(str(first_error(group)))
    raise failure


async def say_states(voice: Voice) -> None:
    """Print how the connection fares, unless all is well."""
    with voice.events() as events:
        async for event in events:
            if event.reason:
                again = f"; again in {event.retry_s:.1f} s" if event.retry_s is not None else ""
                click.echo(f"{event.state.value}: {event.reason}{again}", err=True)
            elif event.state is State.CONNECTED:
                click.echo(f"connected to {voice.url}", err=True)


def form_of(track: str | None, codec: str, rate_hz: int | None) -> VoiceForm:
    """The form of audio that the options mean; the name of a track counts more than they do."""
    try:
        if track is not None:
            return VoiceForm.of_track(track.encode())
    except ValueError:
        pass
    try:
        return VoiceForm(Codec(codec)) if rate_hz is None else VoiceForm(Codec(codec), rate_hz)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rate") from error


form_options = (
    click.option(
        "--codec",
        type=click.Choice([codec.value for codec in Codec]),
        default=Codec.OPUS.value,
        show_default=True,
        help="How the audio of the track is coded.",
    ),
    click.option("--rate", "rate_hz", type=int, metavar="HZ", help="How it is sampled, if not as usual."),
)
_OPTIONS = (
    click.option("--insecure", is_flag=True, help="Take any certificate: for tests only."),
    click.option("--fingerprint", metavar="HEX", help="SHA-256 of the certificate that the node must have."),
    click.option("--ca-file", type=click.Path(path_type=Path), help="Authorities to trust, in PEM."),
    click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token."),
    click.option("--token", envvar=TOKEN, help=f"Of the node, as `clutch token` makes it; or {TOKEN}."),
    click.option("--url", default=DEFAULT_URL, show_default=True, help="The node, moqt:// or https://."),
)


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"--token-file {path}: {error}") from error


def _check_authorities(path: Path) -> None:
    try:
        x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NodeError(f"--ca-file {path}: {error}") from error


def _digest(fingerprint: str | None) -> bytes | None:
    if fingerprint is None:
        return None
    try:
        digest = bytes.fromhex(fingerprint.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise click.BadParameter("64 hexadecimal digits are needed", param_hint="--fingerprint")
    return digest


def _is_own(url: str, ca_file: Path | None, fingerprint: str | None) -> bool:
    """Whether the node is on this machine: then it may have made its certificate itself, unless told."""
    if ca_file or fingerprint:
        return False
    try:
        host = parse_address(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except VoiceError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    except ValueError:
        return False
