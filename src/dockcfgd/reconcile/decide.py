"""What to do with an assessment: act, hold, report or refuse. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from dockcfgd.model.host import EngineDown
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import OnDrift, Policy
from dockcfgd.model.status import Condition

if TYPE_CHECKING:
    from dockcfgd.model.host import HostState
    from dockcfgd.reconcile.assess import Assessment

__all__ = ["ROLLED_BACK", "Action", "Decision", "Standing", "decide"]

ROLLED_BACK = "rolled back by operator"


class Action(Enum):
    """What follows."""

    NOTHING = auto()
    ADOPT = auto()  # the host is as wanted already: note the generation as in force
    REFUSE = auto()
    ACT = auto()


@dataclass(frozen=True, slots=True)
class Standing:
    """How what is wanted stands to the past.

    `new`: it is not what is in force; `failure`: why it failed before on this engine; `held`: an
    operator went back from it; `degraded`: why everything automatic is stopped; `asked`: an
    operator asks for it now.
    """

    new: bool
    asked: bool = False
    failure: str = ""
    held: bool = False
    degraded: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows, and what the status says meanwhile."""

    action: Action
    condition: Condition
    reason: str | None = None


def decide(seen: Assessment, standing: Standing) -> Decision:
    """Decide about one assessment."""
    if standing.held and not standing.asked:
        return Decision(Action.NOTHING, Condition.REJECTED, ROLLED_BACK)
    if seen.findings:
        return _barred(seen.findings[0].text(), standing)
    if standing.degraded and not standing.asked:
        return Decision(Action.NOTHING, Condition.DEGRADED, standing.degraded)
    if seen.host is None:
        if seen.desired is None:
            return Decision(Action.NOTHING, Condition.UNMANAGED)
        return Decision(Action.NOTHING, Condition.DEGRADED, seen.unseen)
    if seen.plan is None:
        return Decision(Action.NOTHING, Condition.UNMANAGED)
    if not seen.plan.steps:
        return _as_wanted(seen, standing, seen.host)
    if standing.failure and not standing.asked:
        return Decision(Action.NOTHING, Condition.REJECTED, standing.failure)
    return _to_do(seen, standing, seen.host)


def _barred(why: str, standing: Standing) -> Decision:
    """Refuse what is new. What is in force stays so: the host changed in a way that bars it."""
    if standing.new:
        return Decision(Action.REFUSE, Condition.REJECTED, why)
    reason = f"cannot keep the state in force: {why}"
    return Decision(Action.NOTHING, Condition.DEGRADED, reason)


def _as_wanted(seen: Assessment, standing: Standing, host: HostState) -> Decision:
    condition = Condition.UNMANAGED if seen.desired is None else Condition.IN_SYNC
    note = "; ".join(seen.plan.notes) if seen.plan else ""
    reason: str | None = note or None
    if isinstance(host.engine, EngineDown) and seen.desired is not None:
        condition, reason = Condition.PENDING, f"engine stopped: {host.engine.reason}"
    return Decision(Action.ADOPT if standing.new else Action.NOTHING, condition, reason)


def _to_do(seen: Assessment, standing: Standing, host: HostState) -> Decision:
    plan = seen.plan
    policy = seen.desired.policy if seen.desired else Policy()
    if host.stopping:
        return Decision(Action.NOTHING, Condition.PENDING, "the machine is shutting down")
    if isinstance(host.engine, EngineDown) and host.unit.active_state not in {"inactive", "failed"}:
        return Decision(
            Action.NOTHING, Condition.PENDING, f"waiting for the engine: {host.engine.reason}"
        )
    impact = plan.impact if plan else Impact.NONE
    if standing.asked:
        return Decision(Action.ACT, Condition.PENDING)
    if standing.new:
        if impact > policy.max_impact:
            why = f"it takes a {impact.word}, and policy.max-impact is {policy.max_impact.word}"
            return Decision(Action.NOTHING, Condition.PENDING, why)
        return Decision(Action.ACT, Condition.PENDING)
    keys = ", ".join(sorted({".".join(drift.path) for drift in plan.drifts})) if plan else ""
    if policy.on_drift is OnDrift.REPORT:
        return Decision(Action.NOTHING, Condition.DRIFTED, f"the host differs in {keys}")
    if impact > policy.drift_max_impact:
        allowed = policy.drift_max_impact.word
        why = f"{keys}: undoing it takes a {impact.word}, and policy.drift-max-impact is {allowed}"
        return Decision(Action.NOTHING, Condition.PENDING, why)
    return Decision(Action.ACT, Condition.PENDING)
