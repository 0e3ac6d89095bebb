"""Reading the configuration: TOML and ``--set`` in, a `Config` or every error at once out."""

from __future__ import annotations

import difflib
import ipaddress
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import AttributeValidationNote, Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

from clutch.node.config import AGENTS, AgentConfig, Config, MediaConfig, MoqtConfig, Rule, Secret
from clutch.node.errors import ConfigError

T = TypeVar("T")


def load_config(file: Path | None = None, overrides: Sequence[str] = (), data: Path | None = None) -> Config:
    """Read a TOML file, change single keys, and check everything.

    An override is ``a.b=VALUE`` with VALUE in TOML, or a bare string where it is no TOML. `data` sets
    `node.data`. Relative paths are relative to the working directory. Raises `ConfigError` with all problems.
    """
    table: dict[str, Any] = {"dialplan": {name: {"agent": name} for name in AGENTS}}
    if file is not None:
        table |= _read(file)
    problems = [problem for text in overrides if (problem := _override(table, text)) is not None]
    if data is not None:
        _put(table, ["node", "data"], str(data))
    try:
        config = structure(table, Config)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    if problems := [*problems, *_conflicts(config)]:
        raise ConfigError(problems)
    return config


def structure(table: Mapping[str, Any], kind: type[T]) -> T:
    """Check a parsed table against an attrs class and make one. Raises `ConfigError` with all problems."""
    try:
        return _CONVERTER.structure(table, kind)
    except ClassValidationError as error:
        raise ConfigError(list(_explain(error, ()))) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    except ValueError as error:  # TOML's syntax, or not UTF-8
        raise ConfigError([f"{file}: {error}"]) from error


def _override(table: dict[str, Any], text: str) -> str | None:
    """Apply one ``--set``, or say what is wrong with it."""
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        return f"--set {text}: must be KEY=VALUE, as in sip.port=5070"
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    _put(table, path, parsed["value"] if parsed.keys() == {"value"} else value.strip())
    return None


def _put(table: dict[str, Any], path: Sequence[str], value: object) -> None:
    for name in path[:-1]:
        below = table.get(name)
        table[name] = table = dict(below) if isinstance(below, dict) else {}
    table[path[-1]] = value


def _conflicts(config: Config) -> Iterator[str]:
    """Rules between keys."""
    yield from _media_conflicts(config.media)
    yield from _moqt_conflicts(config.moqt)
    sip, rtp = config.sip, config.rtp
    if config.media.backend == "af_xdp" and ipaddress.ip_address(sip.host).is_unspecified:
        yield f'sip.host = "{sip.host}": must be one address with media.backend = af_xdp'
    if ipaddress.ip_address(sip.public_address or sip.host).is_unspecified:
        yield (
            f'sip.host = "{sip.host}": must come with a sip.public_address that peers can send to, '
            "for they are told one address"
        )
    if rtp.first_port > rtp.last_port:
        yield f"rtp.first_port = {rtp.first_port}: must not be above rtp.last_port, {rtp.last_port}"
    elif rtp.first_port == rtp.last_port and rtp.first_port % 2:
        yield f"rtp.first_port = {rtp.first_port}: must be even if it is the only port; RTP has even ones"


def _moqt_conflicts(moqt: MoqtConfig) -> Iterator[str]:
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(moqt, one) is not None and getattr(moqt, other) is None:
            yield f'moqt.{one} = "{getattr(moqt, one)}": must come with a moqt.{other}'


def _media_conflicts(media: MediaConfig) -> Iterator[str]:
    if media.plane == "twin":
        for key in ("backend", "interface", "cpu", "busy_poll_us", "xdp_mode"):
            value = getattr(media, key)
            if value != getattr(MediaConfig(), key):
                yield f"media.{key} = {json.dumps(value)}: must not be set with media.plane = twin"
    elif media.backend == "af_xdp" and media.interface is None:
        yield 'media.backend = "af_xdp": must come with a media.interface to attach to'
    elif media.backend in ("udp", "io_uring") and media.interface is not None:
        yield f'media.interface = "{media.interface}": must not be set with media.backend = {media.backend}'
    if media.xdp_mode != "auto" and media.interface is None and media.plane != "twin":
        yield f'media.xdp_mode = "{media.xdp_mode}": must come with a media.interface'
    if media.backend == "io_uring" and media.busy_poll_us:
        yield f"media.busy_poll_us = {media.busy_poll_us}: must be 0 with media.backend = io_uring"


class _BrokenRule(ValueError):
    def __init__(self, value: object, rule: str) -> None:
        super().__init__(rule)
        self.value = value


_NOUNS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Path: "a path, as a string",
    Secret: "a string",
}


def _scalar(value: object, kind: Any) -> Any:
    """A value of TOML's own type; no coercion, but a whole number is a number."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is (str if kind in (Path, Secret) else kind):
        return kind(value)
    raise _BrokenRule("…" if kind is Secret else value, f"must be {_NOUNS[kind]}")


def _literal(value: object, kind: Any) -> Any:
    if (type(value), value) in [(type(known), known) for known in get_args(kind)]:
        return value
    raise _BrokenRule(value, f"must be one of {', '.join(map(str, get_args(kind)))}")


def _annotated(kind: Any) -> Callable[[object, Any], Any]:
    rule: Rule
    plain, rule = get_args(kind)

    def obey(value: object, _kind: Any) -> Any:
        result = _scalar(value, plain)
        if not rule.holds(result):
            raise _BrokenRule(value, f"must be {rule.text}")
        return result

    return obey


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _BrokenRule(value, "must be a table")
    return value


def _class(kind: Any) -> Callable[[object, Any], Any]:
    from_table = make_dict_structure_fn(kind, _CONVERTER)
    return lambda value, _kind: from_table(_table(value), kind)


def _agent(value: object, _kind: Any) -> Any:
    """A table of the dialplan: the key `agent` says which class reads the others."""
    table = dict(_table(value))
    name = table.pop("agent", None)
    if not isinstance(name, str) or name not in AGENTS:
        raise _BrokenRule(value, f"must have an agent, one of {', '.join(AGENTS)}")
    return _CONVERTER.structure(table, AGENTS[name])


def _dialplan(value: object, _kind: Any) -> Mapping[str, AgentConfig]:
    return _CONVERTER.structure(_table(value), dict[str, AgentConfig])


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind in _NOUNS:
        converter.register_structure_hook(kind, _scalar)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is Literal, _literal)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) is Annotated, _annotated)
    converter.register_structure_hook_factory(attrs.has, _class)
    converter.register_structure_hook(AgentConfig, _agent)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, AgentConfig], _dialplan)
    return converter


_CONVERTER = _converter()


def _explain(error: BaseException, path: tuple[str, ...]) -> Iterator[str]:
    """One line for each leaf of cattrs' tree of errors."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        with_notes, without = error.group_exceptions()
        for below, note in with_notes:
            name = note.name if isinstance(note, AttributeValidationNote) else note.index
            yield from _explain(below, (*path, str(name)))
        for below in without:
            yield from _explain(below, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        yield from (_unknown(path, key, error.cl) for key in sorted(error.extra_fields))
    elif isinstance(error, _BrokenRule):
        yield f"{'.'.join(path)} = {json.dumps(error.value, default=str, ensure_ascii=False)}: {error}"
    else:
        raise error


def _unknown(path: tuple[str, ...], key: str, kind: type) -> str:
    known = ["agent"] * (kind in AGENTS.values()) + [field.name for field in attrs.fields(kind)]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {'.'.join((*path, near[0]))}?" if near else f"known are {', '.join(known)}"
    return f"{'.'.join((*path, key))}: unknown key; {hint}"
