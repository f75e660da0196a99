"""What to do with an assessment: act, hold, report or refuse. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from dockcfgd.model.host import EngineDown
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import OnDrift, Policy
from dockcfgd.model.status import Condition
from dockcfgd.planning.hand_edits import hand_edits
from dockcfgd.reconcile.windows import ALWAYS

if TYPE_CHECKING:
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan
    from dockcfgd.reconcile.assess import Assessment
    from dockcfgd.reconcile.windows import Opening

__all__ = [
    "ENGINE_STOPPED",
    "NOT_KEPT",
    "ROLLED_BACK",
    "Action",
    "Decision",
    "Standing",
    "decide",
    "why_not_now",
]

ROLLED_BACK = "rolled back by operator"
ENGINE_STOPPED = "engine stopped"
NOT_KEPT = "cannot keep the state in force"
_WAITING = "waiting for the engine"


class Action(Enum):
    """What follows."""

    NOTHING = auto()
    ADOPT = auto()  # the host is as wanted already: note the generation as in force
    REFUSE = auto()
    WRITE_BACK = auto()  # hand edits become the desired state
    ACT = auto()


@dataclass(frozen=True, slots=True)
class Standing:
    """How what is wanted stands to the past.

    `new`: it is not what is in force; `failure`: why it failed before on this engine; `held`: an
    operator went back from it; `degraded`: why everything automatic is stopped; `paused`: nothing
    is done by itself; `asked`: an operator asks for it now; `adopted`: it is new and made of hand
    edits, `untried`: and nothing was done for it yet; `unadoptable`: why hand edits on this host do
    not become TOML; `unread`: what is in force was written for an engine that has yet to start;
    `fight`: why drift is not put back any more; `opening`: whether a restart may be done now.
    """

    new: bool
    asked: bool = False
    failure: str = ""
    held: bool = False
    degraded: str = ""
    adopted: bool = False
    untried: bool = False
    unadoptable: str = ""
    unread: bool = False
    paused: bool = False
    fight: str = ""
    opening: Opening = ALWAYS


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows, and what the status says meanwhile."""

    action: Action
    condition: Condition
    reason: str | None = None


def decide(seen: Assessment, standing: Standing) -> Decision:  # noqa: PLR0911 -- one line a case
    """Decide about one assessment."""
    if standing.held and not standing.asked and not standing.degraded:
        return _held(seen, standing)
    masked = _masked(seen)
    if masked:
        return Decision(Action.NOTHING, Condition.DEGRADED, masked)
    if seen.findings:
        return _barred(seen, standing)
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
        return _failed(standing)
    return _to_do(seen, standing, seen.host)


def _held(seen: Assessment, standing: Standing) -> Decision:
    """Leave what an operator went back from; where no engine ran then, that awaits its proof."""
    host = seen.host
    if host is None or not standing.unread or not isinstance(host.engine, EngineDown):
        return Decision(Action.NOTHING, Condition.REJECTED, ROLLED_BACK)
    return Decision(Action.NOTHING, Condition.PENDING, f"{_down(host, standing)}; {ROLLED_BACK}")


def _masked(seen: Assessment) -> str:
    """Say that the unit is masked, which says nothing of what is wanted, where that matters."""
    if seen.desired is None or seen.host is None or seen.host.unit.load_state != "masked":
        return ""
    nothing_to_do = seen.plan is not None and not seen.plan.steps and not seen.findings
    return "" if nothing_to_do else "docker.service is masked (systemctl unmask docker.service)"


def _barred(seen: Assessment, standing: Standing) -> Decision:
    """Refuse what is new. What is in force stays so: the host changed in a way that bars it.

    A degraded host stays that first: mending the files would not mend it.
    """
    engine_down = all(finding.engine_down for finding in seen.findings)
    why = seen.findings[0].text()
    if standing.degraded and not standing.asked:
        too = "" if engine_down else f"; what is wanted now is refused too: {why}"
        return Decision(Action.NOTHING, Condition.DEGRADED, f"{standing.degraded}{too}")
    if engine_down:
        if standing.failure and not standing.asked:
            return _failed(standing)
        waiting = _waiting(seen.host, standing)
        if waiting:
            return waiting
    if standing.new:
        return Decision(Action.REFUSE, Condition.REJECTED, why)
    return Decision(Action.NOTHING, Condition.DEGRADED, f"{NOT_KEPT}: {why}")


def _failed(standing: Standing) -> Decision:
    """Do not try again what failed; if that is in force, drift could not be put back."""
    if standing.new:
        return Decision(Action.NOTHING, Condition.REJECTED, standing.failure)
    return Decision(Action.NOTHING, Condition.DEGRADED, f"{NOT_KEPT}: {standing.failure}")


def _as_wanted(seen: Assessment, standing: Standing, host: HostState) -> Decision:
    condition = Condition.UNMANAGED if seen.desired is None else Condition.IN_SYNC
    note = "; ".join(seen.plan.notes) if seen.plan else ""
    reason: str | None = note or None
    if isinstance(host.engine, EngineDown) and seen.desired is not None:
        condition, reason = Condition.PENDING, _down(host, standing)
    return Decision(Action.ADOPT if standing.new else Action.NOTHING, condition, reason)


def _down(host: HostState, standing: Standing) -> str:
    """Say why no engine answers, and what becomes of what nothing could prove."""
    what = ENGINE_STOPPED if host.unit.at_rest else _WAITING
    why = host.engine.reason if isinstance(host.engine, EngineDown) else ""
    proven_then = "; what was written for its next start is proven then"
    return f"{what}: {why}{proven_then if standing.unread else ''}"


def _to_do(seen: Assessment, standing: Standing, host: HostState) -> Decision:
    plan = seen.plan
    policy = seen.desired.policy if seen.desired else Policy()
    if host.stopping:
        return Decision(Action.NOTHING, Condition.PENDING, "the machine is shutting down")
    waiting = _waiting(host, standing)
    if waiting:
        return waiting
    if standing.paused and not standing.asked:
        # What would not be done anyway has a reason of its own.
        otherwise = _to_do(seen, replace(standing, paused=False), host)
        held = otherwise.action is Action.NOTHING
        return otherwise if held else Decision(Action.NOTHING, Condition.PENDING)
    if _edited(seen, standing, policy, host):
        if standing.fight and not standing.asked:
            return Decision(Action.NOTHING, Condition.DEGRADED, standing.fight)
        if not standing.unadoptable:
            return Decision(Action.WRITE_BACK, Condition.PENDING)
        if not standing.asked:
            why = f"the host differs and is not adopted: {standing.unadoptable}"
            return Decision(Action.NOTHING, Condition.DRIFTED, why)
    if standing.asked:
        return Decision(Action.ACT, Condition.PENDING)
    if standing.new:
        return _within(policy, standing, plan.impact if plan else Impact.NONE)
    return _against_drift(plan, policy, standing)


def _waiting(host: HostState | None, standing: Standing) -> Decision | None:
    """Wait for an engine that does not answer, while its unit is not at rest.

    One that the boot is about to start is no stopped one: what is written for it would be unproven.
    An operator's word is heard then too, as that start may be one that waits for it.
    """
    if host is None or host.unit.at_rest or (standing.asked and host.unit.down):
        return None
    if not isinstance(host.engine, EngineDown):
        return None
    reason = f"{_WAITING}: {host.engine.reason}"
    return Decision(Action.NOTHING, Condition.PENDING, reason)


def why_not_now(host: HostState | None) -> str:
    """Say why what an operator asks for waits for the engine; empty where it does not."""
    waiting = _waiting(host, Standing(new=True, asked=True))
    return (waiting.reason or "") if waiting else ""


def _open(standing: Standing, impact: Impact) -> Decision:
    """Act, where a restart or migration may be done now."""
    if impact < Impact.RESTART or standing.opening.open:
        return Decision(Action.ACT, Condition.PENDING)
    return Decision(Action.NOTHING, Condition.PENDING, standing.opening.reason)


def _within(policy: Policy, standing: Standing, impact: Impact) -> Decision:
    """Act on a new state up to its limit: what was edited by hand stays one of drift."""
    name, limit = "max-impact", policy.max_impact
    if standing.adopted and policy.drift_max_impact < limit:
        name, limit = "drift-max-impact", policy.drift_max_impact
    if impact <= limit:
        return _open(standing, impact)
    why = f"it takes a {impact.word}, and policy.{name} is {limit.word}"
    return Decision(Action.NOTHING, Condition.PENDING, why)


def _against_drift(plan: Plan | None, policy: Policy, standing: Standing) -> Decision:
    impact = plan.impact if plan else Impact.NONE
    keys = ", ".join(sorted({".".join(drift.path) for drift in plan.drifts})) if plan else ""
    if policy.on_drift is OnDrift.REPORT:
        return Decision(Action.NOTHING, Condition.DRIFTED, f"the host differs in {keys}")
    if impact > policy.drift_max_impact:
        allowed = policy.drift_max_impact.word
        why = f"{keys}: undoing it takes a {impact.word}, and policy.drift-max-impact is {allowed}"
        return Decision(Action.NOTHING, Condition.PENDING, why)
    if standing.fight:
        return Decision(Action.NOTHING, Condition.DEGRADED, standing.fight)
    return _open(standing, impact)


def _edited(seen: Assessment, standing: Standing, policy: Policy, host: HostState) -> bool:
    """Whether somebody edited daemon.json, and edits are adopted."""
    if policy.on_drift is not OnDrift.ADOPT or seen.target is None:
        return False
    if standing.new and not (standing.adopted and standing.untried):
        return False
    return bool(hand_edits(seen.target, host))
