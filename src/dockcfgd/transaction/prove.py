"""Waiting for the proof that the engine runs what it should, and that it stays so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.errors import EngineFailure, EngineReplaced, EngineSilent, StepFailed
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.planning import judge
from dockcfgd.transaction.probing import Probing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import UnitState
    from dockcfgd.model.steps import ProveEngine
    from dockcfgd.transaction.put_over import Ours

__all__ = ["prove", "stays_up"]

_LOOK_EVERY = 0.25
_TRY_EVERY = 1.0


def prove(
    step: ProveEngine,
    effects: Effects,
    outcomes: Mapping[str, Json],
    *,
    heed: Callable[[], None],
    ours: Ours,
) -> dict[str, Json]:
    """Return when all of `step` holds and held for its settle time.

    `heed` is called while something does not hold yet, and may raise to end the wait. `ours` is
    asked at each look.

    Gives the names of `--rm` containers that ran and are `gone`, and of those whose health is `not
    known yet`. StepFailed with the first reason that something does not hold, EngineSilent where
    the engine gives no answer, EngineReplaced where somebody restarts it.
    """
    first = effects.systemd.unit(DOCKER_SERVICE)
    deadline = _begin(first, effects, outcomes) + step.timeout
    wait = _Wait(first, deadline, effects, heed)
    while lacking := _lacking(step, effects, outcomes, ours):
        wait.on(lacking, _LOOK_EVERY)
    if step.settle:
        effects.clock.sleep(step.settle)
    _still(first, step, effects, outcomes, ours)
    probing = Probing(step, effects, outcomes)
    if probing.needed:
        while lacking := probing.lacking(heed=heed):
            wait.on(lacking, _TRY_EVERY)
        _still(first, step, effects, outcomes, ours)
    if not step.containers:
        return {}
    gone = judge.gone_disposable(_running(step, outcomes), effects.containers.list())
    return {"gone": list(gone), "not known yet": list(probing.not_known_yet())}


def _begin(unit: UnitState, effects: Effects, outcomes: Mapping[str, Json]) -> float:
    """Give from when on the time for the proof counts: a start counts from the old engine's end.

    A migration has brought everything back meanwhile, which may take far longer.
    """
    migrated = not outcomes.keys().isdisjoint({"RestoreStorage", "CompareContainers", "StartThen"})
    for name in () if migrated else ("StartEngine", "RestartEngine"):
        made = outcomes.get(name)
        if isinstance(made, dict) and made.get("invocation") == unit.invocation_id:
            return unit.started or effects.clock.monotonic()
    return effects.clock.monotonic()


@dataclass(frozen=True, slots=True)
class _Wait:
    """Waiting for what does not hold yet, as long as the engine stays up and there is time."""

    first: UnitState
    deadline: float
    effects: Effects
    heed: Callable[[], None]

    def on(self, lacking: StepFailed | EngineSilent, seconds: float) -> None:
        effects = self.effects
        stays_up(self.first, effects)
        if effects.clock.monotonic() >= self.deadline:
            raise lacking
        self.heed()
        effects.clock.sleep(seconds)


def _still(
    first: UnitState,
    step: ProveEngine,
    effects: Effects,
    outcomes: Mapping[str, Json],
    ours: Ours,
) -> None:
    """Raise where the engine did not stay up, or what held does not any more."""
    stays_up(first, effects)
    lacking = _lacking(step, effects, outcomes, ours)
    if lacking:
        raise lacking


def stays_up(first: UnitState, effects: Effects) -> None:
    """EngineReplaced where somebody has restarted the engine since, StepFailed where it fell."""
    now = effects.systemd.unit(DOCKER_SERVICE)
    if judge.replaced(first, now):
        raise EngineReplaced
    gone = judge.unsteady(first, now)
    if gone:
        raise StepFailed(_explained(gone, now, effects))


def _running(step: ProveEngine, outcomes: Mapping[str, Json]) -> Json:
    if not step.again and "StartThen" in outcomes:
        return outcomes["StartThen"]
    return outcomes.get("BackUpContainers") or outcomes.get("NoteRunning")


def _lacking(
    step: ProveEngine, effects: Effects, outcomes: Mapping[str, Json], ours: Ours
) -> StepFailed | EngineSilent | None:
    """Give the first thing that does not hold as the error that it is if that stays so."""
    try:
        effects.engine.ping()
        wrong = judge.contradictions(ours(step.expect), effects.engine.info())
        if wrong or not step.containers:
            return StepFailed(wrong[0]) if wrong else None
        running = _running(step, outcomes)
        lost = judge.lost_containers(running, effects.containers.list())
    except EngineSilent as failure:
        return failure
    except EngineFailure as failure:
        return StepFailed(str(failure))
    return StepFailed(f"containers that ran before do not run: {', '.join(lost)}") if lost else None


def _explained(reason: str, unit: UnitState, effects: Effects) -> str:
    line = (
        ""
        if unit.running
        else effects.systemd.last_line(DOCKER_SERVICE, invocation=unit.invocation_id)
    )
    return f"{reason}: {line}" if line else reason
