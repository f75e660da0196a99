"""From files and host to a plan, in three rings of checks.

The daemon and the CLI's previews share it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.desired.load import Text, load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import FileFailure, Finding, InvalidDesiredState, SystemdFailure
from dockcfgd.model.host import Container, EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import Storage, Verify
from dockcfgd.model.status import InputView
from dockcfgd.model.steps import ReloadEngine, RestartEngine, WriteFile
from dockcfgd.observe import (
    observe,
    with_disposable,
    with_facts,
    with_layers,
    with_settings,
    with_survey,
)
from dockcfgd.planning.expect import patient
from dockcfgd.planning.hand_edits import before_edits
from dockcfgd.planning.moved_root import root_move
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.refusals import planned_arguments, questions_for
from dockcfgd.planning.reloading import may_forget_gateway
from dockcfgd.planning.secrecy import secrets_of_applied, secrets_of_desired
from dockcfgd.planning.storage_back import barred, storage_target
from dockcfgd.planning.target import (
    Applied,
    Target,
    UnreadableFile,
    daemon_json,
    empty_target,
    generation_target,
    target_of,
)
from dockcfgd.planning.unproven import back_alone
from dockcfgd.reconcile.check import Check
from dockcfgd.reconcile.discretion import discreet
from dockcfgd.reconcile.unit_check import checked_drop_in
from dockcfgd.reconcile.windows import unreadable, unreadable_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.desired.load import Loaded
    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import DesiredState, InputFile
    from dockcfgd.model.host import HostState
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.plan import Plan
    from dockcfgd.settings import Settings

__all__ = [
    "Assessment",
    "Check",
    "assess",
    "assess_on_paper",
    "assess_return",
    "assess_rollback",
    "assess_storage_rollback",
    "assess_supposing",
    "digest_on_disk",
    "look",
]

NO_FILES = "none"
_NOT_INSTALLED = "docker.service is not installed on this host"
_GENERATED = "/run/systemd/generator"
_ON_PAPER = "this host is not looked at"


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that one look gives.

    `plan` is None where the files are refused, nothing is wanted, or the host cannot be seen.

    `digest` identifies what was wanted; `unseen` says why the host could not be looked at, `paper`
    that it was only described. `secrets` are the secret values met; `findings` quote none of them.
    """

    digest: str
    files: tuple[InputFile, ...] = ()
    folders: tuple[InputView, ...] = ()
    desired: DesiredState | None = None
    findings: tuple[Finding, ...] = ()
    host: HostState | None = None
    target: Target | None = None
    plan: Plan | None = None
    checks: tuple[Check, ...] = ()
    unseen: str = ""
    paper: bool = False
    secrets: frozenset[str] = frozenset()


def assess(
    effects: Effects,
    settings: Settings,
    applied: Applied,
    *,
    extra: tuple[Text, ...] = (),
    name: str = "",
    edited: bool = False,
    notice: Callable[[Assessment], None] | None = None,
) -> Assessment:
    """Look once and work out the plan.

    `name` names what the plan would leave on disk (the transaction). `edited`: the host's
    daemon.json was edited by hand into what is wanted, and the plan begins before that. `notice`
    is told of a first plan before the checks that take their time.
    """
    given = replace(_given(effects, settings, extra), edited=edited)
    return _assessed(effects, settings, applied, given, name=name, notice=notice)


def assess_supposing(
    effects: Effects,
    settings: Settings,
    applied: Applied,
    suppose: Callable[[HostState], HostState],
    *,
    extra: tuple[Text, ...] = (),
) -> Assessment:
    """Look once and work out the plan for the host that `suppose` makes of what was seen."""
    given = _given(effects, settings, extra)
    given = replace(given, host=None if given.host is None else suppose(given.host))
    return _assessed(effects, settings, applied, given, name="", notice=None)


def _given(effects: Effects, settings: Settings, extra: tuple[Text, ...]) -> _Seen:
    folders = _folders(effects, settings)
    loaded = load(
        effects.files, config_file=settings.config_file, folders=settings.config_dirs, extra=extra
    )
    host, unseen = look(effects, settings)
    return _Seen(loaded, folders, host, unseen)


def _assessed(
    effects: Effects,
    settings: Settings,
    applied: Applied,
    given: _Seen,
    *,
    name: str,
    notice: Callable[[Assessment], None] | None,
) -> Assessment:
    rules_of = partial(_rules, settings=settings, name=name, applied=applied)
    secrets = secrets_of_desired(given.loaded.document) | secrets_of_applied(applied)

    def noticed(early: Assessment) -> None:
        if notice is not None:
            notice(discreet(early, secrets))

    seen = _judged(given, applied, effects=effects, rules_of=rules_of, noticed=noticed)
    if seen.desired is not None:
        windows = seen.desired.policy.maintenance_windows
        calendar, now = effects.calendar, effects.clock.now()
        wrong = [
            *unreadable(windows, calendar, now),
            *unreadable_schedule(seen.desired.backup.schedule, calendar, now),
        ]
        placed = (_placed(seen, finding) for finding in wrong)
        seen = replace(seen, findings=(*seen.findings, *placed))
    return discreet(seen, secrets)


def assess_on_paper(host: HostState, loaded: Loaded, settings: Settings) -> Assessment:
    """Work out the plan for a host that somebody described; nothing is looked at or run."""
    rules_of = partial(_rules, settings=settings, name="", applied=Applied())
    seen = _judged(_Seen(loaded, (), host, ""), Applied(), effects=None, rules_of=rules_of)
    seen = discreet(seen, secrets_of_desired(loaded.document))
    if seen.plan is None:
        return replace(seen, paper=True)
    unknown = Check("containers, networks, kernel and file systems", run=False, reason=_ON_PAPER)
    notes = (*seen.plan.notes, *host.notes, *_with_containers(seen, rules_of(seen.desired)))
    reach = tuple(replace(one, asked=False) for one in seen.plan.reach)
    plan = replace(seen.plan, notes=notes, reach=reach)
    return replace(seen, plan=plan, checks=(*seen.checks, unknown), paper=True)


def _with_containers(seen: Assessment, rules: Rules) -> tuple[str, ...]:
    """Say what the restart would be if containers ran."""
    plan, host, target = seen.plan, seen.host, seen.target
    if not plan or not host or not target:
        return ()
    if not any(isinstance(step, RestartEngine) for step in plan.steps):
        return ()
    one = Container(id="", name="", image="", state="running")
    if isinstance(host.engine, EngineState):
        host = replace(host, engine=replace(host.engine, containers=(one,)))
    other = make_plan(target, host, rules)
    return tuple(f"where containers run: {note}" for note in other.notes if note not in plan.notes)


def _unnoticed(_: Assessment) -> None:
    """Nobody waits for a first plan."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read and looked at. `edited`: by hand into what is wanted."""

    loaded: Loaded
    folders: tuple[InputView, ...]
    host: HostState | None
    unseen: str
    edited: bool = False


def _judged(
    given: _Seen,
    applied: Applied,
    *,
    effects: Effects | None,
    rules_of: Callable[[DesiredState | None], Rules],
    noticed: Callable[[Assessment], None] = _unnoticed,
) -> Assessment:
    loaded, folders, host, unseen = given.loaded, given.folders, given.host, given.unseen
    files = tuple(loaded.files)
    version = EngineVersion.parse_or_none(host.version) if host else None
    checks = [Check("schema", run=True)]
    if version is None:
        why = unseen or "the engine's version is not known"
        checks.append(Check("the installed engine's version", run=False, reason=why))
    try:
        desired = parse(loaded, version=version)
    except InvalidDesiredState as invalid:
        return Assessment(
            digest=_digest_of_invalid(loaded, invalid),
            files=files,
            folders=folders,
            findings=invalid.findings,
            host=host,
            checks=tuple(checks),
            unseen=unseen,
        )
    digest = NO_FILES if desired is None else desired.digest
    seen = Assessment(
        digest=digest, files=files, folders=folders, desired=desired, host=host, unseen=unseen
    )
    if host is None:
        checks += [
            Check("the engine's own rules", run=False, reason=unseen),
            Check("dockerd --validate", run=False, reason=unseen),
        ]
        return _with(seen, checks=checks)
    if desired is None and not applied.managed and not applied.owns_drop_in:
        return _with(seen, checks=checks)
    rules = rules_of(desired)
    basis = _before_edits(seen, applied, edited=given.edited) or host

    def wanted() -> Target:
        if desired is None:
            return empty_target(host, applied)
        target = target_of(desired, basis, applied)
        # The bytes of whoever edited the file stay, where they say what is wanted.
        as_found = basis is not host and target.document == daemon_json(host)
        return replace(target, exact=host.daemon_json.content) if as_found else target

    return _planned(effects, seen, basis, wanted, rules, checks, noticed)


def _before_edits(seen: Assessment, applied: Applied, *, edited: bool) -> HostState | None:
    """Give the host as it was before hand edits that are wanted now; None where there are none.

    Edits that were adopted before count until the engine was started with them.
    """
    desired, host = seen.desired, seen.host
    if desired is None or host is None:
        return None
    adopted = seen.digest == applied.adopted and host.unit.invocation_id == applied.adopted_under
    if not (edited or adopted):
        return None
    try:
        return before_edits(host, applied, desired.policy.unmanaged_keys)
    except UnreadableFile:
        return None


def digest_on_disk(effects: Effects, settings: Settings, version: str) -> str | None:
    """Give the digest of what the files on disk want; None where they are refused."""
    loaded = load(effects.files, config_file=settings.config_file, folders=settings.config_dirs)
    try:
        desired = parse(loaded, version=EngineVersion.parse_or_none(version))
    except InvalidDesiredState:
        return None
    return NO_FILES if desired is None else desired.digest


def assess_rollback(
    effects: Effects,
    settings: Settings,
    *,
    wanted: Applied,
    applied: Applied,
    digest: str,
    name: str,
) -> Assessment:
    """Work out the plan that brings a generation back."""
    host, unseen = look(effects, settings)
    seen = Assessment(digest=digest, host=host, unseen=unseen)
    if host is None:
        return seen
    rules = _rules(None, settings=settings, name=name, applied=applied)
    seen = _planned(
        effects, seen, host, lambda: generation_target(wanted, host, applied), rules, []
    )
    return discreet(seen, secrets_of_applied(wanted) | secrets_of_applied(applied))


def assess_return(
    effects: Effects, settings: Settings, *, proven: Applied, applied: Applied, digest: str
) -> Assessment:
    """Work out the plan that leads back to what was proven last, from files no engine starts on."""
    seen = assess_rollback(
        effects, settings, wanted=proven, applied=applied, digest=digest, name=""
    )
    if seen.plan is None or seen.target is None or seen.host is None or not seen.plan.steps:
        return seen
    verify = patient(Verify(), applied.slowest_start)
    plan = back_alone(seen.plan, seen.target, seen.host, verify=verify)
    return replace(seen, plan=plan)


def assess_storage_rollback(
    effects: Effects,
    settings: Settings,
    kept: KeptStorage,
    applied: Applied,
    *,
    desired: DesiredState | None,
    back_up: bool,
    name: str,
) -> Assessment:
    """Work out the plan that goes back to what is kept of the storage.

    `desired` has the rules, `back_up` says whether what is there now is backed up before.
    """
    host, unseen = look(effects, settings)
    digest = f"storage-of-{kept.transaction}"
    seen = Assessment(digest=digest, host=host, unseen=unseen)
    if host is None:
        return seen
    engine = host.engine if isinstance(host.engine, EngineState) else None
    why = barred(kept, engine)
    if why:
        return replace(seen, findings=(Finding(message=why),))
    rules = _rules(desired, settings=settings, name=name, applied=applied)
    rules = replace(rules, back_to=kept, storage=Storage())
    if not back_up:
        rules = replace(rules, backup=replace(rules.backup, directory=""))
    seen = _planned(effects, seen, host, lambda: storage_target(kept, host, applied), rules, [])
    return discreet(seen, secrets_of_applied(applied))


def _folders(effects: Effects, settings: Settings) -> tuple[InputView, ...]:
    """Look at the watched folders before what is in them is read, so that a later change shows."""
    paths = dict.fromkeys((str(Path(settings.config_file).parent), *settings.config_dirs))
    states = [effects.files.read(path) for path in paths]
    return tuple(InputView(one.path, one.inode, one.mtime_ns, one.size) for one in states)


def look(effects: Effects, settings: Settings) -> tuple[HostState | None, str]:
    """Give the host as it is; None where it cannot be seen or has no engine, and why."""
    try:
        host = observe(effects, settings)
    except (SystemdFailure, FileFailure) as failure:
        return None, str(failure)
    if host.unit.load_state == "not-found":
        return None, _NOT_INSTALLED
    if host.unit.fragment_path.startswith(_GENERATED):
        # systemd makes one of /etc/init.d/docker, which stays when the package is removed.
        return None, f"{_NOT_INSTALLED}: what there is of it is made by a generator"
    return host, ""


def _with_what_ends(effects: Effects, host: HostState, plan: Plan) -> HostState:
    """Give the host with what a plan that ends the engine has to know of its containers."""
    host = with_disposable(effects, host)
    return with_layers(effects, host) if plan.impact is Impact.MIGRATE else host


def _may_strand(plan: Plan, host: HostState) -> bool:
    """Tell whether the plan reloads an engine that may keep containers down by that."""
    reloads = any(isinstance(step, ReloadEngine) for step in plan.steps)
    return reloads and may_forget_gateway(EngineVersion.parse_or_none(host.version))


def _rules(
    desired: DesiredState | None, *, settings: Settings, name: str, applied: Applied
) -> Rules:
    rules = Rules(
        name=name,
        kept_in=f"{settings.state_dir}/kept",
        left_in=settings.left_dir,
        kept=applied.kept,
        slowest_start=applied.slowest_start,
    )
    if desired is None:
        return rules
    return replace(
        rules,
        policy=desired.policy,
        verify=desired.verify,
        backup=desired.backup,
        storage=desired.storage,
    )


def _planned(
    effects: Effects | None,
    seen: Assessment,
    host: HostState,
    wanted: Callable[[], Target],
    rules: Rules,
    checks: list[Check],
    noticed: Callable[[Assessment], None] = _unnoticed,
) -> Assessment:
    try:
        target = wanted()
        plan = make_plan(target, host, rules)
        noticed(replace(seen, target=target, plan=plan))
        asked = _ends_engine(plan)
        if effects and plan.drifts:
            host = with_facts(effects, host, questions_for(target, host))
            move = root_move(target, host, plan.drifts, rules.name)
            if move is not None:
                host = with_survey(effects, host, move, records=rules.left_in)
            # Each plan takes its time: what it will very likely need is asked beforehand.
            host = _with_what_ends(effects, host, plan) if asked else host
            plan = make_plan(target, host, rules)
        if effects and _may_strand(plan, host):
            host = with_settings(effects, host)
            plan = make_plan(target, host, rules)
        if effects and not asked and _ends_engine(plan):
            host = _with_what_ends(effects, host, plan)
            plan = make_plan(target, host, rules)
    except UnreadableFile as error:
        hint = "mend or remove it; then dockcfgctl apply, if that is not seen by itself"
        finding = Finding(file=error.path, message=error.why, hint=hint)
        return _with(seen, checks=checks, findings=(finding,))
    except ValueError as error:
        return _with(seen, checks=checks, findings=(Finding(key="service", message=str(error)),))
    checks.append(Check("the engine's own rules", run=True))
    complaints, check = _validated(effects, host, target, plan)
    told, of_unit = checked_drop_in(effects, host, plan)
    checks += [one for one in (check, of_unit) if one]
    findings = (*(_placed(seen, one) for one in (*plan.refusals, *told)), *complaints)
    return replace(seen, findings=findings, target=target, plan=plan, checks=tuple(checks))


def _ends_engine(plan: Plan) -> bool:
    return bool(plan.steps) and plan.impact >= Impact.RESTART


def _placed(seen: Assessment, finding: Finding) -> Finding:
    """Give a finding about a key the file and line of that key."""
    if finding.file or not finding.key or seen.desired is None:
        return finding
    top, *below = finding.key.replace('"', "").split(".")
    tops = ("engine", "engine-extra") if top == "engine" else (top,)
    # A key of daemon.json may be foreign: then nothing in the files names it.
    least = 1 if top == "engine" else 0
    for length in range(len(below), least - 1, -1):
        for first in tops:
            source = seen.desired.sources.get((first, *below[:length]))
            if source is not None:
                return replace(finding, file=source.file, line=source.line)
    return finding


def _validated(
    effects: Effects | None, host: HostState, target: Target, plan: Plan
) -> tuple[tuple[Finding, ...], Check | None]:
    name = "dockerd --validate"
    writes = [
        step.content
        for step in plan.steps
        if isinstance(step, WriteFile) and step.path == host.daemon_json.path
    ]
    if not plan.steps and not plan.refusals:
        return (), None  # the file stays as it is
    if plan.refusals:
        return (), Check(name, run=False, reason="refused before it")
    if effects is None:
        return (), Check(name, run=False, reason=_ON_PAPER)
    content = writes[-1] if writes else host.daemon_json.content
    flags = planned_arguments(target, host)
    complaints = effects.validator.check(host.dockerd, flags, content or b"{}")
    if complaints is None:
        return (), Check(name, run=False, reason="this engine has no such check")
    found = tuple(
        Finding(message=f"the engine would not start: {complaint}") for complaint in complaints
    )
    return found, Check(name, run=True)


def _digest_of_invalid(loaded: Loaded, invalid: InvalidDesiredState) -> str:
    text = "\n".join([*(finding.text() for finding in invalid.findings), repr(loaded.document)])
    return "invalid-" + hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _with(
    seen: Assessment, *, checks: list[Check], findings: tuple[Finding, ...] = ()
) -> Assessment:
    return replace(seen, checks=tuple(checks), findings=findings)
