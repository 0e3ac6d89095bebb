"""The dialplan: who answers which extension."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from actors import AgentPort
from clutch.agents.echo import Echo
from clutch.agents.play import Play
from clutch.agents.tone import Tone
from clutch.media.audio import chime
from clutch.media.errors import AudioError
from clutch.media.wav import read_wav
from clutch.node.config import AgentConfig, AppAgent, PlayAgent, ToneAgent
from clutch.node.errors import ConfigError

AgentFactory = Callable[[], AgentPort]


@attrs.frozen
class Dialplan:
    """Extensions and the agents behind them."""

    _agents: Mapping[str, AgentFactory | None]

    def agent(self, extension: str) -> AgentFactory | None:
        """Who answers ``sip:EXTENSION@…``: None for whoever comes by the call's tracks.

        Raises KeyError if there is no such extension.
        """
        return self._agents[extension]

    @property
    def extensions(self) -> list[str]:
        """Every extension that is answered."""
        return list(self._agents)


def make_dialplan(config: Mapping[str, AgentConfig]) -> Dialplan:
    """Make every agent ready: sounds are read now. Raises `ConfigError` naming all that cannot be."""
    agents: dict[str, AgentFactory | None] = {}
    problems: list[str] = []
    for extension, agent in config.items():
        try:
            agents[extension] = _factory(agent)
        except (AudioError, OSError) as error:
            problems.append(f"dialplan.{extension}.file: {error}")
    if problems:
        raise ConfigError(problems)
    return Dialplan(agents)


def _factory(agent: AgentConfig) -> AgentFactory | None:
    if isinstance(agent, AppAgent):
        return None
    if isinstance(agent, ToneAgent):
        tone = Tone(agent.frequency_hz)
        return lambda: tone
    if isinstance(agent, PlayAgent):
        play = Play(read_wav(agent.file).at if agent.file is not None else chime)
        return lambda: play
    return Echo
