"""From differences to a plan: the smallest action that removes them all, and the way back."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import bridgeable, reload_watch
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, FileState, Tag, digest_of
from dockcfgd.model.host import Container, EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Disturbed, Drift, Plan
from dockcfgd.model.policy import Backup, Policy, RestartStyle, Storage, Verify
from dockcfgd.planning import leaves
from dockcfgd.planning.compare import differences
from dockcfgd.planning.expect import (
    RELOAD_SECONDS,
    defaults_to_write,
    ownership,
    proof_of,
    reload_expectations,
    start_timeout,
    stop_timeout,
)
from dockcfgd.planning.refusals import refusals_of
from dockcfgd.planning.revert import way_back
from dockcfgd.planning.target import Target, daemon_json, render

if TYPE_CHECKING:
    from collections.abc import Collection

    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["Rules", "make_plan"]

_LIVE_RESTORE: KeyPath = ("live-restore",)
_DRIVER: KeyPath = ("storage-driver",)
_DISPOSABLE_SURVIVE = EngineVersion(26, 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The tables of the desired state that steer a plan, and names for what it puts on disk."""

    policy: Policy = field(default_factory=Policy)
    verify: Verify = field(default_factory=Verify)
    backup: Backup = field(default_factory=Backup)
    storage: Storage = field(default_factory=Storage)
    name: str = ""
    kept_in: str = "/var/lib/dockcfgd/kept"


def make_plan(target: Target, host: HostState, rules: Rules) -> Plan:
    """Work out the plan. Raises UnreadableFile where daemon.json cannot be merged into."""
    drifts = differences(target, host)
    impact = max((drift.impact for drift in drifts), default=Impact.NONE)
    if impact is Impact.MIGRATE and _empty(host) and not _hides_nothing_but_driver(drifts):
        impact = Impact.RESTART
    refusals = refusals_of(target, drifts, impact, host, rules.storage)
    draft = _Draft(target=target, host=host, rules=rules, drifts=drifts)
    if refusals or not drifts:
        return Plan(impact=impact, drifts=drifts, refusals=refusals, notes=target.notes)
    draft.lay_out(impact)
    steps = tuple(draft.steps)
    return Plan(
        impact=impact,
        drifts=drifts,
        steps=steps,
        way_back=way_back(steps, host=host, drifts=drifts, verify=rules.verify),
        disturbed=draft.disturbed(impact),
        notes=(*target.notes, *draft.notes),
    )


def _hides_nothing_but_driver(drifts: tuple[Drift, ...]) -> bool:
    heavy = [drift for drift in drifts if drift.impact is Impact.MIGRATE]
    return all(drift.path == _DRIVER for drift in heavy)


def _empty(host: HostState) -> bool:
    engine = host.engine
    return isinstance(engine, EngineState) and not (
        engine.images or engine.containers or engine.volumes or engine.networks
    )


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
        self._version = EngineVersion.parse_or_none(host.version)
        self._serving = isinstance(host.engine, EngineState) and host.unit.running
        self._before = daemon_json(host)

    def lay_out(self, impact: Impact) -> None:
        """Put the steps in order for this impact."""
        if not self._serving or impact is Impact.NONE:
            self._write_final()
            self._write_drop_in()
            if not self._serving:
                self.notes.append("the engine is stopped: the files hold at its next start")
            return
        match impact:
            case Impact.RELOAD:
                self._reload()
            case Impact.RESTART:
                self._restart()
            case Impact.MIGRATE:
                self._migrate()

    def _reload(self) -> None:
        final = self.target.document or {}
        unset = defaults_to_write(self._before, final, self.host)
        interim = copy.deepcopy(final)
        for path, value in unset.items():
            leaves.put(interim, path, value)
        if unset:
            self._write_json(interim)
        else:
            self._write_final()
        self._write_drop_in()
        if any(drift.where != "drop-in" and drift.impact is Impact.RELOAD for drift in self.drifts):
            self.steps.append(do.ReloadEngine(reload_expectations(interim), RELOAD_SECONDS))
            watch = max(reload_watch(drift.path) for drift in self.drifts)
            self._prove(settle=float(watch), containers=False)
        self._write_final()

    def _restart(self) -> None:
        running = self._running()
        self.bridged = self._may_bridge()
        disposable = any(one.auto_remove for one in running)
        kept = ""
        self.steps.append(do.NoteRunning())
        if self.bridged and not self._live_restore_now():
            bridge = {**self._before, "live-restore": True}
            self._write_json(bridge)
            self.steps.append(do.ReloadEngine(reload_expectations(bridge), RELOAD_SECONDS))
        if disposable and not (self.bridged and self._disposable_survive()):
            kept = f"{self.rules.kept_in}/{self.rules.name}"
            self.steps.append(do.KeepDisposable(kept))
        final = copy.deepcopy(self.target.document or {})
        switch_off = self.bridged and leaves.get(final, _LIVE_RESTORE) is not True
        if switch_off:
            self._write_json({**final, "live-restore": True})
        else:
            self._write_final()
        self._write_drop_in()
        self.steps.append(do.RestartEngine(start_timeout(self.rules.verify)))
        if running:
            self.steps.append(do.ResumeContainers(kept))
        # Proven before live-restore goes off: until then the way back spares the containers too.
        unproven = {_LIVE_RESTORE} if switch_off else set()
        self._prove(settle=self.rules.verify.settle, containers=True, but=unproven)
        if switch_off:
            off = {**final, "live-restore": False}
            self._write_json(off)
            self.steps.append(do.ReloadEngine(reload_expectations(off), RELOAD_SECONDS))
        self._write_final()

    def _migrate(self) -> None:
        engine = self.host.engine
        if not isinstance(engine, EngineState):
            return
        backup, directory = self.rules.name, self.rules.backup.directory
        value = leaves.get(self.target.document or {}, _DRIVER)
        driver = value if isinstance(value, str) else ""
        self.steps += [
            do.NoteRunning(),
            do.BackUpImages(backup, directory, driver),
            do.BackUpContainers(backup, directory),
            do.StopEngine(stop_timeout()),
            do.SetAside(engine.root, driver, f"{engine.root}/dockcfgd/{backup}"),
        ]
        self._write_final()
        self._write_drop_in()
        self.steps.append(do.StartEngine(start_timeout(self.rules.verify)))
        self.steps.append(do.RestoreStorage(backup, directory))
        self._prove(settle=self.rules.verify.settle, containers=True)

    def _running(self) -> tuple[Container, ...]:
        return self.host.engine.running if isinstance(self.host.engine, EngineState) else ()

    def _disposable_survive(self) -> bool:
        return self._version is not None and self._version >= _DISPOSABLE_SURVIVE

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

    def _not_bridgeable(self, engine: EngineState) -> str:
        if self.rules.policy.restart is RestartStyle.PLAIN:
            return "policy.restart says so"
        if engine.swarm_active:
            return "a swarm node cannot use live-restore"
        for drift in self.drifts:
            if drift.where == "drop-in":
                text = f"{drift.desired or ''}{drift.actual or ''}"
                if any(word in text for word in ("ExecStart=", "KillMode", "Delegate")):
                    return "the drop-in changes how the engine is launched"
            elif drift.impact >= Impact.RESTART and not bridgeable(drift.path):
                return f"{'.'.join(drift.path)} cannot change under running containers"
        return ""

    def _write_final(self) -> None:
        target, state = self.target, self.host.daemon_json
        if target.document is None:
            if self._json_tags[-1] != ABSENT:
                self.steps.append(do.RemoveFile(state.path, tuple(dict.fromkeys(self._json_tags))))
                self._json_tags.append(ABSENT)
            return
        same = state.present and target.document == self._before and target.exact is None
        self._write(state.content if same else target.exact or render(target.document))

    def _write_json(self, document: dict[str, Json]) -> None:
        self._write(render(document))

    def _write(self, content: bytes) -> None:
        state = self.host.daemon_json
        tag = _tag_after(state, content)
        if tag == self._json_tags[-1]:
            return
        expected = tuple(dict.fromkeys(self._json_tags))
        self.steps.append(do.WriteFile(state.path, content, expected, *ownership(state)))
        self._json_tags.append(tag)

    def _write_drop_in(self) -> None:
        if not any(drift.where == "drop-in" for drift in self.drifts):
            return
        state, content = self.host.drop_in, self.target.drop_in
        if content is None:
            self.steps.append(do.RemoveFile(state.path, (state.tag,)))
        elif not state.present or content != state.content:
            write = do.WriteFile(state.path, content, (state.tag,), *ownership(state))
            self.steps.append(write)
        self.steps.append(do.ReloadUnits())

    def _prove(
        self, *, settle: float, containers: bool, but: Collection[KeyPath] = frozenset()
    ) -> None:
        touched = {drift.path for drift in self.drifts if drift.where != "drop-in"} - set(but)
        document = self.target.document or {}
        proof = proof_of(
            document, touched, verify=self.rules.verify, settle=settle, containers=containers
        )
        self.steps.append(proof)

    def disturbed(self, impact: Impact) -> Disturbed:
        """Name the containers that notice."""
        engine = self.host.engine
        if impact < Impact.RESTART or not isinstance(engine, EngineState) or not self._serving:
            return Disturbed()
        names = tuple(sorted(one.name for one in engine.running))
        if impact is Impact.MIGRATE:
            every = tuple(sorted(one.name for one in engine.containers))
            return Disturbed(stopped=names, recreated=every)
        gone = tuple(sorted(one.name for one in engine.running if one.auto_remove))
        if not self.bridged:
            return Disturbed(stopped=names, recreated=gone)
        if self._disposable_survive():
            return Disturbed(bridged=names)
        return Disturbed(bridged=tuple(name for name in names if name not in gone), recreated=gone)


def _tag_after(state: FileState, content: bytes) -> Tag:
    uid, gid, mode = ownership(state)
    return Tag(digest=digest_of(content), uid=uid, gid=gid, mode=mode)
