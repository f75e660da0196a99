"""Waiting for the proof that the engine runs what it should, and that it stays so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.errors import EngineFailure, StepFailed
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.planning import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import UnitState
    from dockcfgd.model.steps import ProveEngine

__all__ = ["prove"]

_LOOK_EVERY = 0.25


def prove(
    step: ProveEngine,
    effects: Effects,
    outcomes: Mapping[str, Json],
    *,
    heed: Callable[[], None],
) -> list[Json]:
    """Return when all of `step` holds and held for its settle time.

    `heed` is called while something does not hold yet, and may raise to end the wait.

    Gives the names of `--rm` containers that ran and are gone. StepFailed with the first reason
    that something does not hold.
    """
    first = effects.systemd.unit(DOCKER_SERVICE)
    deadline = effects.clock.monotonic() + step.timeout
    while reasons := _reasons(step, effects, outcomes):
        now = effects.systemd.unit(DOCKER_SERVICE)
        gone = judge.unsteady(first, now)
        if gone or effects.clock.monotonic() >= deadline:
            raise StepFailed(_explained(gone or reasons[0], now, effects))
        heed()
        effects.clock.sleep(_LOOK_EVERY)
    if step.settle:
        effects.clock.sleep(step.settle)
    after = effects.systemd.unit(DOCKER_SERVICE)
    gone = judge.unsteady(first, after)
    if gone:
        raise StepFailed(_explained(gone, after, effects))
    reasons = _reasons(step, effects, outcomes)
    if reasons:
        raise StepFailed(reasons[0])
    if not step.containers:
        return []
    return list(judge.gone_disposable(_running(outcomes), effects.containers.list()))


def _running(outcomes: Mapping[str, Json]) -> Json:
    return outcomes.get("BackUpContainers") or outcomes.get("NoteRunning")


def _reasons(step: ProveEngine, effects: Effects, outcomes: Mapping[str, Json]) -> list[str]:
    try:
        effects.engine.ping()
        wrong = judge.contradictions(step.expect, effects.engine.info())
        if wrong or not step.containers:
            return wrong
        lost = judge.lost_containers(_running(outcomes), effects.containers.list())
    except EngineFailure as failure:
        return [str(failure)]
    return [f"containers that ran before do not run: {', '.join(lost)}"] if lost else []


def _explained(reason: str, unit: UnitState, effects: Effects) -> str:
    line = (
        ""
        if unit.running
        else effects.systemd.last_line(DOCKER_SERVICE, invocation=unit.invocation_id)
    )
    return f"{reason}: {line}" if line else reason
