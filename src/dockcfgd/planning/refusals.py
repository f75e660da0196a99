"""The second ring: what the engine itself would refuse or hide.

No file check tells; it depends on the host at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import storage_affecting
from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves
from dockcfgd.planning.launch import launch_of, parse_flags
from dockcfgd.planning.rules import breaches_of
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.rules.migration import migration_findings
from dockcfgd.planning.rules.questions import questions_of
from dockcfgd.planning.staging import scene_of
from dockcfgd.planning.unit_text import binary_and_flags, exec_start, expand, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.facts import Questions
    from dockcfgd.model.host import HostState, UnitFile
    from dockcfgd.model.plan import Drift
    from dockcfgd.model.policy import Storage
    from dockcfgd.planning.target import Target

__all__ = ["planned_arguments", "questions_for", "refusals_of", "rule_notes"]

_BEATS_FILE = "DOCKER_DRIVER"


def refusals_of(
    target: Target, drifts: Sequence[Drift], impact: Impact, host: HostState, storage: Storage
) -> tuple[Finding, ...]:
    """Give every reason why this target must not be tried on this host."""
    if not drifts:
        return ()
    document = target.document or {}
    return (
        *_unit(host),
        *_flag_conflicts(target, host),
        *_past_daemon_json(target, host),
        *(breach.finding for breach in _weighed(target, drifts, impact, host) if breach.refused),
        *migration_findings(document, drifts, host, storage if impact is Impact.MIGRATE else None),
    )


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
    later = [
        path
        for path in host.unit.drop_in_paths
        if path.rsplit("/", 1)[-1] > host.drop_in.path.rsplit("/", 1)[-1]
    ]
    for path in later:
        yield Finding(
            file=path,
            message="this drop-in would win over dockcfgd's",
            hint="rename it to sort earlier",
        )


def planned_arguments(target: Target, host: HostState) -> tuple[str, ...]:
    """Give dockerd's arguments as they will be once the target's drop-in is in force."""
    from dockcfgd.model.host import UnitFile as File  # noqa: PLC0415 -- built here only

    files: tuple[UnitFile, ...] = host.unit_files
    if target.drop_in is not None:
        files = (*files, File(path=host.drop_in.path, text=target.drop_in.decode()))
    command = exec_start(files)
    if command is None:
        return launch_of(host).arguments
    words = expand(split(command.text), launch_of(host).environment)
    return tuple(binary_and_flags(words)[1])


def _flag_conflicts(target: Target, host: HostState) -> Iterable[Finding]:
    document = target.document or {}
    launch = launch_of(host)
    where = launch.base
    for flag in parse_flags(planned_arguments(target, host)):
        if not flag.key or flag.key == "runtimes":
            continue
        path = tuple(flag.key.split("."))
        if isinstance(leaves.get(document, path), leaves.Absent):
            continue
        own = flag in parse_flags([*_own_arguments(target)])
        place = "service.arguments" if own or where is None else f"{where.file}:{where.line}"
        yield Finding(
            key=dotted(("engine", *path)),
            message=f"docker.service passes {flag.text} ({place});"
            " the engine does not start with a key"
            " set both ways, even to the same value",
            hint=f"leave {flag.key} out of the desired state, or take the flag out of {place}",
        )


def _past_daemon_json(target: Target, host: HostState) -> Iterable[Finding]:
    """Refuse a drop-in that changes by a flag or variable where images and containers lie."""
    base = len(launch_of(host).flags)
    for flag in parse_flags(planned_arguments(target, host))[base:]:
        if flag.text.startswith("--config-file"):
            yield Finding(
                key="service.arguments",
                message=f"{flag.text} would lead the engine past the daemon.json in use",
                hint="leave it out; a unit of your own may name another file",
            )
        elif storage_affecting(flag.key) and not flag.text.startswith("--feature"):
            yield Finding(
                key="service.arguments",
                message=f"{flag.text} could hide every image and container of this host",
                hint=f"set engine.{flag.key} instead, where such a change is checked",
            )
    if target.drop_in is not None and f"{_BEATS_FILE}=".encode() in target.drop_in:
        yield Finding(
            key="service.environment",
            message=f"{_BEATS_FILE} could hide every image and container of this host",
            hint="set engine.storage-driver instead, where such a change is checked",
        )


def _own_arguments(target: Target) -> Iterable[str]:
    text = "" if target.drop_in is None else target.drop_in.decode()
    for line in text.splitlines():
        if line.startswith("ExecStart=") and line != "ExecStart=":
            yield from split(line.removeprefix("ExecStart="))
