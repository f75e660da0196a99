"""From differences to a plan: the smallest action that removes them all, and the way back."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.secrets import secret_values, secrets_in_text
from dockcfgd.engine_keys.table import reload_watch
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, FileState, Tag, digest_of
from dockcfgd.model.host import Container, EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Disturbed, Drift, Plan
from dockcfgd.model.policy import Backup, ContainersRule, Policy, RestartStyle, Storage, Verify
from dockcfgd.planning import leaves
from dockcfgd.planning.bridge import changes_life, obstacle, set_by_flag, unbearable_key
from dockcfgd.planning.compare import differences
from dockcfgd.planning.direction import flags_lost_by_reload, group_is_moot
from dockcfgd.planning.expect import (
    ownership,
    patient,
    proof_of,
    settle_after_start,
    stop_timeout,
    written,
)
from dockcfgd.planning.freeing import conflicting, effective, moves
from dockcfgd.planning.in_place import moved, not_in_place
from dockcfgd.planning.irreversible import OTHER_IDS, irreversible
from dockcfgd.planning.launch import launch_with, running_flags
from dockcfgd.planning.log_level import DISPOSABLE_SURVIVE, bears_restart, lost_on_the_way_back
from dockcfgd.planning.moved_root import before_stop, notes_on, root_move, while_stopped
from dockcfgd.planning.reach import reach_of
from dockcfgd.planning.refusals import refusals_of, rule_notes
from dockcfgd.planning.reloading import (
    defaults_to_write,
    kept_from_starting,
    may_forget_gateway,
    readable,
    reload_step,
)
from dockcfgd.planning.revert import way_back
from dockcfgd.planning.rules.moved_root import moved_root_findings
from dockcfgd.planning.staging import chooses_containerd, fills_store
from dockcfgd.planning.storage_back import back_to
from dockcfgd.planning.storage_change import in_containerd, named_storage, storage_changes
from dockcfgd.planning.target import Target, daemon_json, refuse_irregular

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.files import Ownership
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.roots import RootMove

__all__ = ["Rules", "make_plan"]

_LIVE_RESTORE: KeyPath = ("live-restore",)


@dataclass(frozen=True, slots=True)
class Rules:
    """The tables of the desired state that steer a plan, and names for what it puts on disk.

    With `back_to` a change of the driver goes back to what is kept of the storage; without a
    directory in `backup` what is there now is not backed up first. `kept` is what is on record as
    kept of the storage. `slowest_start` is the slowest start of the engine on record, in seconds.
    """

    policy: Policy = field(default_factory=Policy)
    verify: Verify = field(default_factory=Verify)
    backup: Backup = field(default_factory=Backup)
    storage: Storage = field(default_factory=Storage)
    name: str = ""
    kept_in: str = "/var/lib/dockcfgd/kept"
    left_in: str = "/var/lib/dockcfgd/left"
    back_to: KeptStorage | None = None
    kept: KeptStorage | None = None
    slowest_start: float = 0.0


def make_plan(target: Target, host: HostState, rules: Rules) -> Plan:
    """Work out the plan. Raises UnreadableFile where a managed file cannot be worked on."""
    refuse_irregular(host.drop_in)
    host = _confidential(host, target)
    slowest = max(rules.slowest_start, host.unit.start_seconds)
    rules = replace(rules, verify=patient(rules.verify, slowest))
    drifts = differences(target, host)
    impact = max((drift.impact for drift in drifts), default=Impact.NONE)
    bare = _empty(host) and rules.back_to is None
    if impact is Impact.MIGRATE and bare and not fills_store(target, host, drifts):
        impact = Impact.RESTART
    if (
        impact is Impact.RELOAD
        and _reloads(drifts)
        and (flags_lost_by_reload(running_flags(host), host) or kept_from_starting(host))
    ):
        impact = Impact.RESTART
    refusals = refusals_of(
        target, drifts, impact, host, rules.storage, kept=rules.kept, back_to=rules.back_to
    )
    draft = _Draft(target=target, host=host, rules=rules, drifts=drifts)
    if refusals or not drifts:
        return Plan(impact=impact, drifts=drifts, refusals=refusals, notes=target.notes)
    draft.lay_out(impact)
    draft.warn_of_reload()
    if any(drift.where == "drop-in" for drift in drifts):
        draft.notes += moves(host, target.drop_in)
    steps = tuple(draft.steps)
    disturbed = draft.disturbed(impact)
    return Plan(
        impact=impact,
        drifts=drifts,
        steps=steps,
        way_back=way_back(steps, host=host, drifts=drifts, verify=rules.verify),
        disturbed=disturbed,
        notes=(
            *target.notes,
            *draft.notes,
            *_exposed(host, target),
            *rule_notes(target, drifts, impact, host),
        ),
        reach=reach_of(drifts, host, impact, disturbed),
        irreversible=irreversible(steps, drifts, disturbed),
        name=rules.name,
    )


def _confidential(host: HostState, target: Target) -> HostState:
    """Let a daemon.json that is made to hold a secret be for root alone, as the engine reads it."""
    if host.daemon_json.present or not secret_values((), dict(target.document or {})):
        return host
    return replace(host, daemon_json=replace(host.daemon_json, fresh_mode=0o600))


def _exposed(host: HostState, target: Target) -> tuple[str, ...]:
    """Say which secrets others than root can read."""
    notes = []
    state = host.daemon_json
    known = secret_values((), daemon_json(host))
    if (
        (state.present or target.daemon_json_owned is not None)
        and ownership(state, target.daemon_json_owned)[2] & 0o044
        and secret_values((), dict(target.document or {})) - known
    ):
        notes.append(f"others than root can read {state.path}, which gets a secret: chmod 600 it")
    if target.drop_in is not None and secrets_in_text(target.drop_in.decode()):
        notes.append(
            "the environment of docker.service holds a secret: everybody on this host can read it"
            " there (systemctl show)"
        )
    return tuple(notes)


def _reloads(drifts: tuple[Drift, ...]) -> bool:
    """Tell whether a reload of the engine is needed; the drop-in may need one of systemd only."""
    return any(drift.where != "drop-in" and drift.impact is Impact.RELOAD for drift in drifts)


def _empty(host: HostState) -> bool:
    engine = host.engine
    return isinstance(engine, EngineState) and not (
        engine.images or engine.containers or engine.volumes or engine.networks
    )


_ACTS = (do.ReloadEngine, do.RestartEngine, do.StartEngine)


class _Draft:
    """A plan in the making."""

    def __init__(
        self, *, target: Target, host: HostState, rules: Rules, drifts: tuple[Drift, ...]
    ) -> None:
        self.target, self.host, self.rules, self.drifts = target, host, rules, drifts
        self.steps: list[do.Step] = []
        self.notes: list[str] = []
        self.bridged = False
        self._json_tags = [host.daemon_json.tag]
        self._json_content = host.daemon_json.content
        self._version = EngineVersion.parse_or_none(host.version)
        self._serving = isinstance(host.engine, EngineState) and host.unit.running
        self._before = daemon_json(host)
        # Then no reload can switch it.
        self._live_restore_by_flag = any(flag.key == "live-restore" for flag in running_flags(host))

    def lay_out(self, impact: Impact) -> None:
        """Put the steps in order for this impact."""
        self._explain()
        if not self._serving or impact is Impact.NONE:
            self._write_files(self._write_final)
            if not self._serving:
                self.notes.append("the engine is stopped: the files hold at its next start")
            return
        match impact:
            case Impact.RELOAD:
                self._reload()
            case Impact.RESTART if self._switches_driver():
                self._switch_driver()
            case Impact.RESTART if self._free_place() is not None:
                self._migrate()
            case Impact.RESTART:
                self._restart()
            case Impact.MIGRATE:
                self._migrate()

    def warn_of_reload(self) -> None:
        """Note what the reload that comes last takes away until the engine starts anew."""
        acts = [step for step in self.steps if isinstance(step, _ACTS)]
        if acts and isinstance(acts[-1], do.ReloadEngine) and may_forget_gateway(self._version):
            self.notes.append(
                "this engine forgets host-gateway at a reload: new containers with such an"
                " --add-host cannot start before it is restarted"
            )

    def _explain(self) -> None:
        """Note what the engine will do otherwise than one would think."""
        document = self.target.document or {}
        changed = {drift.path for drift in self.drifts if drift.desired is not None}
        if ("group",) in changed and group_is_moot(document, self.host):
            self.notes.append(
                "group has no effect here: systemd makes the socket;"
                " set SocketGroup= of docker.socket"
            )
        if "userland-proxy" in document.keys() - readable(document, self.host).keys():
            self.notes.append(
                "userland-proxy = true without userland-proxy-path: this engine refuses every"
                " reload by others; true is the default, so leave it out"
            )

    def _reload(self) -> None:
        if not _reloads(self.drifts):
            self._write_final()
            self._write_drop_in()
            return
        touched = {drift.path for drift in self.drifts if drift.desired is not None}
        watch = self._watch()
        interim = self._with_defaults(self.target.document or {})
        shield = bool(watch) and self._may_shield()
        lost = lost_on_the_way_back(self.drifts, self.host)
        if lost and not bears_restart(self.host):
            self.notes.append(
                "if this is taken back, the log-level is info until the engine starts anew"
            )
        elif watch or lost:
            self.steps.append(do.NoteRunning())
        self._note_probes(containers=bool(watch))
        if shield:
            self._reload_with({**self._before, "live-restore": True})
            self._reload_with({**interim, "live-restore": True}, touched)
        else:
            self._reload_with(interim, touched)
        self._write_drop_in()
        unproven = {_LIVE_RESTORE} if shield else set()
        self._prove(settle=watch, containers=bool(watch), but=unproven)
        if shield and interim.get("live-restore") is not True:
            self._reload_with({**interim, "live-restore": False})
        self._write_final()

    def _with_defaults(self, final: dict[str, Json]) -> dict[str, Json]:
        """Give the final document with the defaults of what a reload would else keep."""
        gone = [drift.path for drift in self.drifts if drift.desired is None]
        left = dict.fromkeys([*leaves.flatten(self._before), *gone])
        interim = copy.deepcopy(final)
        for path, value in defaults_to_write(left, final, self.host).items():
            leaves.put(interim, path, value)
        return interim

    def _reload_with(
        self, document: dict[str, Json], touched: Collection[KeyPath] = frozenset()
    ) -> None:
        """Write the form of `document` that a reload takes, and reload it."""
        form = readable(document, self.host)
        if form == (self.target.document or {}):
            self._write_final()
        else:
            self._write_json(form)
        self.steps.append(reload_step(form, touched))

    def _may_shield(self) -> bool:
        """Whether live-restore can keep containers from an engine that may die of a reload."""
        engine = self.host.engine
        return (
            isinstance(engine, EngineState)
            and bool(engine.running)
            and not engine.live_restore
            and not engine.swarm_active
            and not self._live_restore_by_flag
        )

    def _restart(self) -> None:
        running = self._running()
        self.bridged = self._may_bridge()
        disposable = any(one.auto_remove is not False for one in running)
        kept = ""
        self.steps.append(do.NoteRunning())
        self._note_probes(containers=True)
        if self.bridged and not self._live_restore_now():
            self._reload_with({**self._before, "live-restore": True})
        if disposable and not (self.bridged and self._disposable_survive()):
            kept = f"{self.rules.kept_in}/{self.rules.name}"
            self.steps.append(do.KeepDisposable(kept))
            if any(one.auto_remove is None for one in running):
                self.notes.append(
                    f"which of the {len(running)} running containers were started with --rm is"
                    " found out when the change begins; those are made anew"
                )
        if self._must_detach():
            # Under live-restore they would run on, out of the engine's sight or with old settings.
            self._reload_with({**self._before, "live-restore": False})
        final = copy.deepcopy(self.target.document or {})
        by_flag = set_by_flag(self.target, self.host) is not None
        switch_off = self.bridged and not by_flag and final.get("live-restore") is not True
        if switch_off:
            self._write_files(lambda: self._write_json({**final, "live-restore": True}))
        else:
            self._write_files(self._write_final)
        timeout = self.rules.verify.timeout
        self.steps.append(do.RestartEngine(timeout, self._run_on(), stop_timeout(self.host.unit)))
        if running:
            self.steps.append(do.ResumeContainers(kept))
        # Proven before live-restore goes off: until then the way back spares the containers too.
        unproven = {_LIVE_RESTORE} if switch_off else set()
        self._prove(settle=self._settle(), containers=True, but=unproven)
        if switch_off:
            self._reload_with({**final, "live-restore": False})
        self._write_final()

    def _switches_driver(self) -> bool:
        document = self.target.document or {}
        return storage_changes(document, self.drifts, self.host, containerd=self._to_containerd())

    def _to_containerd(self) -> bool:
        return chooses_containerd(self.target, self.host)

    def _driver(self) -> str:
        """Give the driver or snapshotter that comes."""
        return named_storage(self.target.document or {}, containerd=self._to_containerd())

    def _free_place(self) -> RootMove | None:
        """Give the move of a data-root with nothing in it to a place where nothing is either.

        By a bare restart, what a start that fails has made there would stay.
        """
        hidden = {drift.path for drift in self.drifts if drift.impact is Impact.MIGRATE}
        wanted = (self.target.document or {}).get("data-root")
        if hidden != {("data-root",)} or self.host.survey is None:
            return None
        if any(moved_root_findings(wanted, self.host, self.rules.storage, self.rules.kept)):
            return None
        return root_move(self.target, self.host, self.drifts, self.rules.name)

    def _switch_driver(self) -> None:
        """Change the driver of a host that has nothing to move; what lay there goes aside."""
        engine = self.host.engine
        if not isinstance(engine, EngineState):
            return
        driver = self._driver()
        folder = f"{engine.root}/dockcfgd/{self.rules.name}"
        self.steps.append(do.NoteRunning())
        self._note_probes(containers=True)
        self.steps += [
            do.StopEngine(stop_timeout(self.host.unit)),
            do.SetAside(engine.root, driver, folder),
        ]
        self._write_files(self._write_final)
        self.steps.append(do.StartEngine(self.rules.verify.timeout))
        self._prove(settle=self._settle(), containers=True)
        self.notes.append("plain restart: there is no image, container, volume or network to move")

    def _migrate(self) -> None:
        engine = self.host.engine
        if not isinstance(engine, EngineState):
            return
        if self.rules.back_to is not None:
            self._return(engine, self.rules.back_to)
            return
        move = root_move(self.target, self.host, self.drifts, self.rules.name)
        if move is not None:
            self._move_root(engine, move)
            return
        if not self._switches_driver():
            self.notes.append("everything stays where it is: it is the same by another name")
            self._restart()
            return
        driver = self._driver()
        why = not_in_place(self.target, self.host, engine, driver)
        if why:
            self.notes += [
                f"containers are made anew on {driver}: {why}",
                "they are down while all images are loaded: the more and larger those, the longer",
            ]
            if in_containerd(engine):
                self.notes.append(OTHER_IDS)
            self._make_anew(engine, driver)
        else:
            self._move(engine, driver)

    def _move(self, engine: EngineState, driver: str) -> None:
        """Move the containers in place, their images being there before the engine stops."""
        backup, directory = self.rules.name, self.rules.backup.directory
        staging = f"{engine.root}/dockcfgd/{backup}.staging"
        given = leaves.get(self.target.document or {}, ("storage-opts",))
        options = tuple(map(str, given)) if isinstance(given, list) else ()
        kept = f"{self.rules.kept_in}/{self.rules.name}"
        # All of this may take hours, in which containers come and go, with --rm and without.
        self.steps += [
            do.BackUpImages(backup, directory, driver, staging, options),
            do.KeepDisposable(kept),
            do.StageContainers(backup, directory, driver, staging, kept, options),
            do.NoteRunning(),
        ]
        self._note_probes(containers=True)
        if engine.live_restore and engine.running:
            self._reload_with({**self._before, "live-restore": False})
        self.steps.append(do.StopEngine(stop_timeout(self.host.unit)))
        self.steps += moved(
            engine,
            backup=backup,
            directory=directory,
            driver=driver,
            staging=staging,
            folder=f"{engine.root}/dockcfgd/{backup}",
        )
        self._write_files(self._write_final)
        self.steps += [
            do.StartEngine(self.rules.verify.timeout),
            do.ResumeContainers(kept),
            do.RemoveStaging(staging),
            do.CompareContainers(backup, directory),
            do.BackUpLayers(backup, directory, engine.root, engine.driver, kept),
        ]
        self._prove(settle=self._settle(), containers=True)

    def _move_root(self, engine: EngineState, move: RootMove) -> None:
        """Move the data-root, copied before the engine stops where it is not renamed."""
        kept = f"{self.rules.kept_in}/{self.rules.name}"
        self.steps += before_stop(move, self.host, kept=kept, records=self.rules.left_in)
        self.steps += [do.KeepDisposable(kept), do.NoteRunning()]
        self._note_probes(containers=True)
        if engine.live_restore and engine.running:
            self._reload_with({**self._before, "live-restore": False})
        self.steps.append(do.StopEngine(stop_timeout(self.host.unit)))
        self.steps += while_stopped(move, self.host)
        self._write_files(self._write_final)
        self.steps += [
            do.StartEngine(self.rules.verify.timeout),
            do.ResumeContainers(kept),
            do.CompareStock(kept, move.source, move.target),
        ]
        self._prove(settle=self._settle(), containers=True)
        self.notes += notes_on(move, self.host)

    def _return(self, engine: EngineState, kept: KeptStorage) -> None:
        """Go back to the state of the storage before its newest change."""
        live, stopped, start = back_to(
            kept,
            name=self.rules.name,
            directory=self.rules.backup.directory,
            kept_in=self.rules.kept_in,
            disposable=any(one.auto_remove is not False for one in engine.running),
        )
        self.steps += [*live, do.NoteRunning()]
        self._note_probes(containers=False)
        if engine.live_restore and engine.running:
            self._reload_with({**self._before, "live-restore": False})
        self.steps += [do.StopEngine(stop_timeout(self.host.unit)), *stopped]
        self._write_files(self._write_final)
        self.steps += [do.StartEngine(self.rules.verify.timeout), start]
        self._prove(settle=self._settle(), containers=True)

    def _make_anew(self, engine: EngineState, driver: str) -> None:
        """Bring images and containers over through the API, from the backup."""
        backup, directory = self.rules.name, self.rules.backup.directory
        self.steps.append(do.NoteRunning())
        self._note_probes(containers=True)
        self.steps += [
            do.BackUpImages(backup, directory, driver),
            do.BackUpContainers(backup, directory),
            do.StopEngine(stop_timeout(self.host.unit)),
            do.SetAside(engine.root, driver, f"{engine.root}/dockcfgd/{backup}"),
        ]
        self._write_files(self._write_final)
        self.steps.append(do.StartEngine(self.rules.verify.timeout))
        self.steps.append(do.RestoreStorage(backup, directory))
        self._prove(settle=self._settle(), containers=True)

    def _note_probes(self, *, containers: bool) -> None:
        verify = self.rules.verify
        wanted = containers and verify.containers is ContainersRule.RUNNING_BEFORE
        looked_at = wanted and bool(self._running())
        if looked_at or verify.commands:
            self.steps.append(do.NoteProbes(verify.commands, verify.timeout, looked_at))

    def _running(self) -> tuple[Container, ...]:
        return self.host.engine.running if isinstance(self.host.engine, EngineState) else ()

    def _disposable_survive(self) -> bool:
        return self._version is not None and self._version >= DISPOSABLE_SURVIVE

    def _live_restore_now(self) -> bool:
        return isinstance(self.host.engine, EngineState) and self.host.engine.live_restore

    def _may_bridge(self) -> bool:
        """Whether containers can run on, and why not if they cannot (live-restore has limits)."""
        engine = self.host.engine
        if not isinstance(engine, EngineState) or not engine.running:
            return False
        why = self._not_bridgeable(engine)
        if why:
            self.notes.append(f"plain restart: {why}")
            return False
        self.notes.append("bridged restart: containers run on under live-restore")
        return True

    def _must_detach(self) -> bool:
        """Whether live-restore has to go off first, so that containers stop with the engine."""
        return (
            bool(self._running())
            and self._live_restore_now()
            and not self._live_restore_by_flag
            and unbearable_key(self.target, self.host, self.drifts) != ""
        )

    def _run_on(self) -> bool:
        """Whether containers run on through the restart.

        A plain one stops none either where live-restore is on already and stays so.
        """
        if self.bridged or not self._running():
            return self.bridged
        by_flag = set_by_flag(self.target, self.host)
        wanted = (self.target.document or {}).get("live-restore") is True
        stays = self._live_restore_now() and (wanted or by_flag is True)
        return stays and not changes_life(self.target, self.host, self.drifts)

    def _not_bridgeable(self, engine: EngineState) -> str:
        if self.rules.policy.restart is RestartStyle.PLAIN:
            return "policy.restart says so"
        if engine.swarm_active:
            return "a swarm node cannot use live-restore"
        return obstacle(self.target, self.host, self.drifts)

    def _write_files(self, write_json: Callable[[], None]) -> None:
        """Write both in the order in which an engine that starts in between would rather refuse.

        It refuses a key set both ways, but takes a key set neither way for the default.
        """
        coming = launch_with(self.host, self.target.drop_in).flags
        if conflicting(coming, self._before):
            self._write_drop_in()
            write_json()
        else:
            write_json()
            self._write_drop_in()

    def _write_final(self) -> None:
        target, state = self.target, self.host.daemon_json
        if target.document is None:
            if self._json_tags[-1] != ABSENT:
                self.steps.append(do.RemoveFile(state.path, tuple(dict.fromkeys(self._json_tags))))
                self._json_tags.append(ABSENT)
            return
        same = state.present and target.document == self._before and target.exact is None
        self._write(state.content if same else target.exact or leaves.render(target.document))

    def _write_json(self, document: dict[str, Json]) -> None:
        self._write(leaves.render(document))

    def _write(self, content: bytes) -> None:
        state = self.host.daemon_json
        given = self.target.daemon_json_owned
        tag = _tag_after(state, content, given)
        first = self._json_tags == [state.tag]
        same = tag == self._json_tags[-1] and content == self._json_content
        if same and (not first or given in {None, state.ownership}):
            return
        expected = tuple(dict.fromkeys(self._json_tags))
        self.steps.append(written(state, content, expected, given))
        self._json_tags.append(tag)
        self._json_content = content

    def _write_drop_in(self) -> None:
        owned = self.target.drop_in_owned is not None
        if not owned and not any(drift.where == "drop-in" for drift in self.drifts):
            return
        state, content = self.host.drop_in, self.target.drop_in
        given = self.target.drop_in_owned
        if content is None:
            self.steps.append(do.RemoveFile(state.path, (state.tag,)))
        elif not state.present or content != state.content or given is not None:
            self.steps.append(written(state, content, (state.tag,), given))
        self.steps.append(do.ReloadUnits())

    def _prove(
        self, *, settle: float, containers: bool, but: Collection[KeyPath] = frozenset()
    ) -> None:
        keys = {drift.path for drift in self.drifts if drift.where in {"daemon.json", "engine"}}
        touched = keys - set(but)
        proof = proof_of(
            self._effective(),
            touched,
            verify=self.rules.verify,
            settle=settle,
            containers=containers,
        )
        self.steps.append(proof)

    def _effective(self) -> dict[str, Json]:
        """Give what the engine is to be started with, by file and by flag."""
        flags = launch_with(self.host, self.target.drop_in).flags
        return effective(self.target.document or {}, flags)

    def _settle(self) -> float:
        return settle_after_start(self._effective(), self.rules.verify)

    def _watch(self) -> float:
        """Give for how many seconds the engine may still die of what it reloads."""
        touched = {drift.path for drift in self.drifts if drift.desired is not None}
        return float(max((reload_watch(path) for path in touched), default=0))

    def disturbed(self, impact: Impact) -> Disturbed:
        """Name the containers that notice."""
        engine = self.host.engine
        if impact < Impact.RESTART or not isinstance(engine, EngineState) or not self._serving:
            return Disturbed()
        names = tuple(sorted(one.name for one in engine.running))
        gone = tuple(sorted(one.name for one in engine.running if one.auto_remove))
        if impact is Impact.MIGRATE:
            every = tuple(sorted(one.name for one in engine.containers))
            if self.rules.back_to is not None:
                return Disturbed(stopped=names)
            anew = any(isinstance(step, do.RestoreStorage) for step in self.steps)
            return Disturbed(stopped=names, recreated=every if anew else gone)
        if not self._run_on():
            return Disturbed(stopped=names, recreated=gone)
        if self._disposable_survive():
            return Disturbed(bridged=names)
        return Disturbed(bridged=tuple(name for name in names if name not in gone), recreated=gone)


def _tag_after(state: FileState, content: bytes, given: Ownership | None) -> Tag:
    uid, gid, mode = ownership(state, given)
    return Tag(digest=digest_of(content), uid=uid, gid=gid, mode=mode)
