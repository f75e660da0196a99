"""Trying what works before a change, and again after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.errors import EngineFailure, EngineSilent, StepFailed
from dockcfgd.model.probes import shown
from dockcfgd.planning import probes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.probes import Endpoint, PublishedPort
    from dockcfgd.model.steps import NoteProbes, ProveEngine

__all__ = ["Probing", "note_probes"]


def note_probes(step: NoteProbes, effects: Effects) -> dict[str, Json]:
    """Give what works now.

    StepFailed for a command that cannot be run at all, SystemdFailure where nothing can be.
    """
    healthy: dict[str, float] = {}
    ports: list[PublishedPort] = []
    if step.containers:
        listed = effects.containers.list()
        for name in probes.healthy(listed):
            healthy[name] = probes.check_seconds(effects.containers.inspect(name))
        published = probes.published_ports(listed)
        answering = _answering(effects, published)
        ports = [one for one in published if answering.intersection(one.endpoints)]
    passed = []
    for command in step.commands:
        end = effects.probes.run(command, timeout=step.timeout)
        if end.not_run:
            raise StepFailed(f"verify.commands: {shown(command)} cannot be run: {end.text}")
        if end.good:
            passed.append(command)
    return probes.note(healthy=healthy, ports=ports, commands=passed)


def _answering(effects: Effects, ports: tuple[PublishedPort, ...]) -> frozenset[Endpoint]:
    endpoints = probes.endpoints_of(ports)
    return effects.probes.answering(endpoints) if endpoints else frozenset()


class Probing:
    """Tries again what worked before. A command that passed once is not run again."""

    def __init__(self, step: ProveEngine, effects: Effects, outcomes: Mapping[str, Json]) -> None:
        self._step, self._effects = step, effects
        self._noted = outcomes.get("NoteProbes")
        passed = probes.commands_of(self._noted)
        self._failed_before = [one for one in step.commands if one not in passed]
        self._commands = list(passed if step.again else step.commands)

    @property
    def needed(self) -> bool:
        """Whether there is anything to try."""
        return bool(self._noted or self._commands)

    def lacking(self, *, heed: Callable[[], None]) -> StepFailed | EngineSilent | None:
        """Give what does not work, the first thing only, as an error; None where all does.

        `heed` is called between commands, and may raise.
        """
        try:
            lacking = self._of_containers() if self._step.containers else ""
        except EngineSilent as failure:
            return failure
        except EngineFailure as failure:
            return StepFailed(str(failure))
        lacking = lacking or self._of_commands(heed)
        return StepFailed(lacking) if lacking else None

    def not_known_yet(self) -> list[str]:
        """Name the containers whose health is not known yet, and will be later than we wait."""
        if not self._step.containers or not self._noted:
            return []
        listed = self._effects.containers.list()
        return probes.not_known_yet(self._noted, listed, timeout=self._step.timeout)

    def _of_containers(self) -> str:
        if not self._noted:
            return ""
        listed = self._effects.containers.list()
        wrong = probes.unhealthy(self._noted, listed, timeout=self._step.timeout)
        if not wrong:
            ports = probes.wanted(self._noted, probes.published_ports(listed))
            wrong = probes.silent(self._noted, listed, ports, _answering(self._effects, ports))
        return "; ".join(wrong)

    def _of_commands(self, heed: Callable[[], None]) -> str:
        while self._commands:
            heed()
            command = self._commands[0]
            end = self._effects.probes.run(command, timeout=self._step.timeout)
            if not end.good:
                before = " (as before the change)" if command in self._failed_before else ""
                return f"verify.commands: {shown(command)} {end.text}{before}"
            del self._commands[0]
        return ""
