"""What was written while the engine was down, and does not let it start.

Nothing could prove it then, so its next start, whoever asks for it, is its proof. Rejected: keeping
the transaction open until then, as its way back in `undo/` would be gone before that very start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import BackStep
from dockcfgd.planning import leaves
from dockcfgd.planning.expect import proof_of, settle_after_start, stop_timeout
from dockcfgd.planning.freeing import effective
from dockcfgd.planning.launch import launch_with
from dockcfgd.planning.target import UnreadableFile, daemon_json

if TYPE_CHECKING:
    from dockcfgd.model.host import HostState, UnitState
    from dockcfgd.model.plan import Plan
    from dockcfgd.model.policy import Verify
    from dockcfgd.planning.target import Applied, Target

__all__ = ["back_alone", "has_read", "start_failed"]

_ALWAYS = -1


def start_failed(unit: UnitState, *, ran: str) -> bool:
    """Tell whether a start of the engine after the run `ran` has failed by the engine's own doing.

    One that was stopped, killed, or served before it ended tells nothing of its files; nor does one
    that systemd is about to start again, for the first time, or refused to start.
    """
    # Each start has an invocation of its own, and no process of the one before; not so one that is
    # over the start limit (service_start of systemd's service.c).
    if unit.queued or unit.killed or unit.start_seconds or unit.invocation_id in {"", ran}:
        return False
    falls_again = unit.sub_state == "auto-restart" and unit.restarts > 0
    return unit.active_state == "failed" or falls_again


def has_read(host: HostState, applied: Applied, *, ran: str, written: float) -> bool:
    """Tell whether an engine serves that began on what is in force.

    That was written after the run `ran`, at `written` on this boot's clock (0: before it).
    """
    unit = host.unit
    if not isinstance(host.engine, EngineState) or not unit.running:
        return False
    # The moment too: one that began in the middle of the writing has another run, and not read it.
    anew = unit.invocation_id not in {"", ran} and unit.started >= written
    return anew and _as_written(applied, host)


def _as_written(applied: Applied, host: HostState) -> bool:
    try:
        there = daemon_json(host)
    except UnreadableFile:
        return False
    drop_in = host.drop_in.content if host.drop_in.present else None
    if applied.owns_drop_in and drop_in != applied.drop_in:
        return False
    return all(
        leaves.get(there, path) == leaves.get(applied.document, path) for path in applied.managed
    )


def back_alone(plan: Plan, target: Target, host: HostState, *, verify: Verify) -> Plan:
    """Make of a plan that writes files for an engine that is down one that only leads back.

    It has no step forward: that was the start that failed. Its way back writes those files, starts
    the engine on them and proves `target`.
    """
    document = effective(target.document or {}, launch_with(host, target.drop_in).flags)
    proof = proof_of(
        document,
        {drift.path for drift in plan.drifts if drift.where == "daemon.json"},
        verify=verify,
        settle=settle_after_start(document, verify),
        containers=False,
        again=True,
    )
    # systemd would go on starting it while the files are put back.
    ended = () if host.unit.active_state == "failed" else (do.StopEngine(stop_timeout(host.unit)),)
    files = (_over_edits(step, host) for step in plan.steps)
    steps = (*ended, *files, do.StartEngine(verify.timeout), proof)
    back = tuple(BackStep(step, _ALWAYS) for step in steps)
    return replace(plan, impact=Impact.RESTART, steps=(), way_back=back)


def _over_edits(step: do.Step, host: HostState) -> do.Step:
    """Let what somebody changes in daemon.json until it is put back be told from what failed."""
    there = host.daemon_json
    match step:
        case do.WriteFile(path=there.path):
            return replace(step, ours=(there.content, step.content))
        case do.RemoveFile(path=there.path):
            return replace(step, ours=(there.content,))
        case _:
            return step
