"""The second ring: what the engine itself would refuse or hide.

No file check tells; it depends on the host at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.planning.flag_rules import flag_findings, planned_arguments
from dockcfgd.planning.flags import parse_flags
from dockcfgd.planning.in_place import RUN_ON, not_in_place, run_on_by_flag
from dockcfgd.planning.launch import launch_of
from dockcfgd.planning.rules import breaches_of
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.rules.migration import migration_findings
from dockcfgd.planning.rules.questions import questions_of
from dockcfgd.planning.staging import chooses_containerd, scene_of
from dockcfgd.planning.storage_change import named_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.facts import Questions
    from dockcfgd.model.host import HostState
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.plan import Drift
    from dockcfgd.model.policy import Storage
    from dockcfgd.planning.target import Target

__all__ = ["planned_arguments", "questions_for", "refusals_of", "rule_notes"]

_BEATS_FILE = "DOCKER_DRIVER"


def refusals_of(
    target: Target,
    drifts: Sequence[Drift],
    impact: Impact,
    host: HostState,
    storage: Storage,
    *,
    kept: KeptStorage | None = None,
    back_to: KeptStorage | None = None,
) -> tuple[Finding, ...]:
    """Give every reason why this target must not be tried on this host.

    `kept` is what an earlier change of the storage left; with `back_to` it is to be had again, and
    nothing is moved.
    """
    if not drifts:
        return ()
    document = target.document or {}
    return (
        *_unit(host),
        *flag_findings(target, host),
        *(breach.finding for breach in _weighed(target, drifts, impact, host) if breach.refused),
        *migration_findings(
            document,
            drifts,
            host,
            storage if impact is Impact.MIGRATE else None,
            containerd=chooses_containerd(target, host),
            not_in_place="" if back_to is not None else _not_in_place(target, host),
            kept=kept,
        ),
        *(_return(host) if back_to is not None else ()),
    )


def _return(host: HostState) -> Iterable[Finding]:
    if isinstance(host.engine, EngineState) and run_on_by_flag(host, host.engine):
        hint = "take --live-restore out of the unit, and restart the engine, first"
        yield Finding(key="service.arguments", message=RUN_ON, hint=hint)


def _not_in_place(target: Target, host: HostState) -> str:
    """Say why containers would have to be made anew on the storage that comes."""
    if not isinstance(host.engine, EngineState):
        return ""
    containerd = chooses_containerd(target, host)
    driver = named_storage(target.document or {}, containerd=containerd)
    return not_in_place(target, host, host.engine, driver)


def rule_notes(
    target: Target, drifts: Sequence[Drift], impact: Impact, host: HostState
) -> tuple[str, ...]:
    """Give what the engine's rules have to say though nothing is refused for it."""
    if not drifts:
        return ()
    weighed = _weighed(target, drifts, impact, host)
    return tuple(breach.finding.text() for breach in weighed if not breach.refused)


def questions_for(target: Target, host: HostState) -> Questions:
    """Give what must be known of the host to judge the target."""
    return questions_of(scene_of(target, host, planned_arguments(target, host)))


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A breach as a finding, and whether it is a reason not to go on."""

    finding: Finding
    refused: bool


def _weighed(
    target: Target, drifts: Sequence[Drift], impact: Impact, host: HostState
) -> Iterable[_Weighed]:
    """Weigh what the rules find.

    What this change brings about is refused. What stood there before is refused only where the
    engine is to start with it and could not, for there would be no way back either.
    """
    arguments = planned_arguments(target, host)
    touched = {drift.path[0] for drift in drifts if drift.where != "drop-in"}
    if any(drift.where == "drop-in" for drift in drifts):
        touched |= {flag.key for flag in parse_flags(arguments)}
        touched |= {"storage-driver"} if _BEATS_FILE in launch_of(host).environment else set()
    for breach in breaches_of(scene_of(target, host, arguments)):
        ours = bool(breach.keys & touched)
        stops = breach.weight is Weight.STOPS and impact >= Impact.RESTART
        if breach.weight is Weight.NOTED and not ours:
            continue
        key = dotted(("engine", *breach.path))
        finding = Finding(key=key, message=breach.message, hint=breach.hint)
        yield _Weighed(finding, stops or (ours and breach.weight is not Weight.NOTED))


def _unit(host: HostState) -> Iterable[Finding]:
    if host.unit.load_state == "masked":
        yield Finding(message="docker.service is masked", hint="systemctl unmask docker.service")
    elif host.unit.load_state not in {"loaded", ""}:
        yield Finding(
            message=f"docker.service is not there (systemd says {host.unit.load_state})",
            hint="install docker.io or docker-ce",
        )
