"""One look at the host for `doctor`, through the ports, and its document (schema 1)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from dockcfgd import __version__
from dockcfgd.desired.load import load
from dockcfgd.doctor.case import Case, Created, Dockcfgd, Place
from dockcfgd.doctor.checks import findings_of
from dockcfgd.doctor.configuration import OWN_CHECK
from dockcfgd.doctor.containers import CONTAINERS
from dockcfgd.doctor.leftovers import leftovers_of
from dockcfgd.doctor.lenient import LenientFiles
from dockcfgd.doctor.permissions import rules_for
from dockcfgd.doctor.storage import CONTAINERD
from dockcfgd.engine_keys.engines import storage_drivers
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.facts import facts_of
from dockcfgd.model.errors import EngineFailure, EngineSilent, FileFailure, SystemdFailure
from dockcfgd.model.host import EngineState
from dockcfgd.observe import observe
from dockcfgd.planning import leaves
from dockcfgd.planning.launch import launch_in_force
from dockcfgd.planning.rules.questions import questions_of
from dockcfgd.planning.rules.scene import Scene
from dockcfgd.planning.secrecy import redacted, secrets_of_host
from dockcfgd.planning.staging import scene_of
from dockcfgd.planning.target import Target, UnreadableFile, daemon_json
from dockcfgd.processes.in_force import data_root_of, settings_of
from dockcfgd.processes.look import scenery_of
from dockcfgd.reconcile.importing import without_units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.facts import Questions
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.launch import Launch
    from dockcfgd.ports import Files, Processes, Vitals
    from dockcfgd.settings import Settings

__all__ = ["Instruments", "examine", "look_doctor"]

_CONTAINERD_CONFIG = "/etc/containerd/config.toml"
_CONTAINERD_ROOT = "/var/lib/containerd"
_MOST_ASKED = 500


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a look takes beside the ports of `Effects`.

    `root`: whether root looks. `status` is the published document, None where there is none.
    """

    vitals: Vitals
    processes: Processes
    root: bool
    status: Mapping[str, Json] | None = None


def look_doctor(effects: Effects, settings: Settings, by: Instruments) -> dict[str, Any]:
    """Look once, judge, and give the document. Never raises."""
    case = examine(effects, settings, by)
    findings: list[Json] = [
        {
            "level": str(one.level),
            "what": one.what,
            "why": one.why,
            "remedy": one.remedy,
            "check": check,
        }
        for check, one in findings_of(case)
    ]
    document: dict[str, Json] = {"schema": 1, "findings": findings}
    return cast("dict[str, Any]", redacted(document, secrets_of_host(case.host)))


def examine(effects: Effects, settings: Settings, by: Instruments) -> Case:
    """Collect what the checks judge."""
    files = LenientFiles(effects.files)
    effects = replace(effects, files=files)
    host = _host(effects, settings, files)
    used = settings_of(host)
    data_root = host.engine.root if isinstance(host.engine, EngineState) else data_root_of(host)
    present = _present(effects, host, data_root)
    rules = rules_for(
        settings, desired=_desired(files, settings), daemon_json=host.daemon_json.path
    )
    launch = launch_in_force(host)
    scenery = scenery_of(effects, host, by.processes, [])
    return Case(
        host=host,
        root=by.root,
        unread=files.unread,
        settings=used,
        installed=effects.validator.version(launch.binary) if launch.binary else "",
        dockcfgd=Dockcfgd(__version__, by.status),
        kernel=by.vitals.kernel(),
        present=present,
        trials=_trials(effects, host, data_root),
        complaints=_complaints(effects, host, launch, files),
        places=_places(effects, by.vitals, used, data_root),
        leftovers=leftovers_of(by.vitals, files, host, data_root),
        mounts=by.vitals.mounts(),
        scenery=scenery,
        created=_created(effects, host, files),
        networks=_networks(effects, host),
        interfaces=by.vitals.interfaces(),
        routes=effects.surroundings.routes(),
        rules=rules,
        owners={rule.path: by.vitals.owner(rule.path) for rule in rules},
        now=effects.clock.now(),
    )


def _host(effects: Effects, settings: Settings, files: LenientFiles) -> HostState:
    try:
        return observe(effects, settings)
    except SystemdFailure as failure:
        files.unread["systemd"] = str(failure)
        return without_units(effects, settings)


def _desired(files: Files, settings: Settings) -> list[str]:
    loaded = load(files, config_file=settings.config_file, folders=settings.config_dirs)
    return [one.path for one in loaded.files]


def _present(effects: Effects, host: HostState, data_root: str) -> Scene:
    """Give the scene of the engine's rules as the host is now, with the facts they ask for."""
    try:
        document = daemon_json(host)
    except UnreadableFile:
        document = {}
    paths = frozenset(leaves.flatten(document))
    target = Target(
        document=document,
        drop_in=host.drop_in.content if host.drop_in.present else None,
        managed=paths,
        touched=paths,
        owns_drop_in=False,
    )
    scene = scene_of(target, host, launch_in_force(host).arguments)
    return _with_facts(effects, scene, data_root)


def _with_facts(effects: Effects, scene: Scene, data_root: str) -> Scene:
    asked: Questions = questions_of(scene)
    asked = replace(asked, folders=asked.folders | {data_root}, routes=True)
    facts = facts_of(effects.surroundings, effects.files, asked, root=data_root)
    return replace(scene, facts=facts, prior_drivers=facts.prior_drivers or ())


def _trials(effects: Effects, host: HostState, data_root: str) -> tuple[Scene, ...]:
    """Give a scene for each storage driver: an engine that would be started with it."""
    version = EngineVersion.parse_or_none(host.version)
    scenes = (
        Scene(
            {
                "storage-driver": driver,
                "data-root": data_root,
                "features": {"containerd-snapshotter": False},
            },
            version=version,
            build=host.version,
        )
        for driver in storage_drivers(version, build=host.version)
    )
    return tuple(_with_facts(effects, scene, data_root) for scene in scenes)


def _complaints(
    effects: Effects, host: HostState, launch: Launch, files: LenientFiles
) -> tuple[str, ...] | None:
    if not launch.binary or not host.daemon_json.present:
        return None
    content = host.daemon_json.content
    try:
        return effects.validator.check(launch.binary, launch.arguments, content)
    except FileFailure as failure:
        files.unread[OWN_CHECK] = str(failure)
        return None


def _places(
    effects: Effects, vitals: Vitals, used: Mapping[str, Json], data_root: str
) -> tuple[Place, ...]:
    files, folder = effects.files, effects.surroundings.folder
    containerd = _containerd_root(files)
    if not used.get("containerd"):
        # An engine that starts its own containerd keeps that one's data within its own.
        there = f"{data_root}/containerd/daemon"
        containerd = there if files.names(there) else containerd
    return (
        Place("data-root", data_root, vitals.space(data_root), folder(data_root)),
        Place(CONTAINERD, containerd, vitals.space(containerd), folder(containerd)),
    )


def _containerd_root(files: Files) -> str:
    content = files.read(_CONTAINERD_CONFIG).content
    try:
        named = tomllib.loads(content.decode(errors="replace")).get("root")
    except (tomllib.TOMLDecodeError, RecursionError):
        return _CONTAINERD_ROOT
    return named if isinstance(named, str) and named else _CONTAINERD_ROOT


def _created(effects: Effects, host: HostState, files: LenientFiles) -> tuple[Created, ...] | None:
    engine = host.engine
    if not isinstance(engine, EngineState) or len(engine.containers) > _MOST_ASKED:
        return None
    found = []
    for one in engine.containers:
        try:
            settings = effects.containers.inspect(one.id).get("HostConfig")
        except EngineSilent as failure:
            # The next one may cost as long a wait.
            files.unread[CONTAINERS] = f"{one.name}: {failure}"
            return None
        except EngineFailure:
            continue  # removed meanwhile
        if isinstance(settings, dict):
            found.append(Created(one.name, one.active, settings))
    return tuple(found)


def _networks(effects: Effects, host: HostState) -> tuple[Mapping[str, Json], ...] | None:
    if not isinstance(host.engine, EngineState):
        return None
    try:
        return tuple(effects.networks.list())
    except EngineFailure:
        return None
