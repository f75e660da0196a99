"""One look at the host, through the ports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.facts import facts_of, prior_drivers
from dockcfgd.migration.left_behind import left_behind
from dockcfgd.model.errors import EngineFailure, FileFailure, SystemdFailure
from dockcfgd.model.host import Container, EngineDown, EngineState, HostState, UnitFile, UnitState
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.planning.launch import DEFAULT_CONFIG_FILE, launch_of

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.facts import Questions
    from dockcfgd.model.roots import RootMove
    from dockcfgd.settings import Settings

__all__ = [
    "observe",
    "with_disposable",
    "with_facts",
    "with_layers",
    "with_settings",
    "with_survey",
]

_MOST_ASKED = 200
_PREDEFINED_NETWORKS = frozenset({"bridge", "host", "none"})


def observe(effects: Effects, settings: Settings) -> HostState:
    """Look at unit, files and engine once. An engine that does not answer is part of the answer.

    Raises SystemdFailure where systemd does not answer, FileFailure where a managed file cannot be
    read.
    """
    unit = effects.systemd.unit(DOCKER_SERVICE)
    drop_in_path = settings.drop_in
    paths = [unit.fragment_path, *(path for path in unit.drop_in_paths if path != drop_in_path)]
    units = tuple(_text(effects, path) for path in paths if path)
    environment = tuple(_text(effects, path) for path in unit.environment_files)
    engine = _engine(effects, unit)
    blank = effects.files.read(settings.daemon_json)
    host = HostState(
        daemon_json=blank,
        drop_in=effects.files.read(drop_in_path),
        unit=unit,
        engine=engine,
        unit_files=units,
        environment_files=environment,
        stopping=effects.systemd.stopping(),
    )
    return _completed(effects, host, settings)


def _completed(effects: Effects, host: HostState, settings: Settings) -> HostState:
    launch = launch_of(host)
    named = launch.config_file
    path = settings.daemon_json if named == DEFAULT_CONFIG_FILE else named
    version = ""
    if isinstance(host.engine, EngineDown) and launch.binary:
        version = effects.validator.version(launch.binary)
    return HostState(
        daemon_json=host.daemon_json if path == settings.daemon_json else effects.files.read(path),
        drop_in=host.drop_in,
        unit=host.unit,
        engine=host.engine,
        unit_files=host.unit_files,
        environment_files=host.environment_files,
        binary_version=version,
        stopping=host.stopping,
        dockerd=launch.binary,
        command=_command(effects, host.unit),
    )


def _command(effects: Effects, unit: UnitState) -> tuple[str, ...]:
    if not unit.running:
        return ()
    text = _text(effects, f"/proc/{unit.main_pid}/cmdline").text
    return tuple(text.removesuffix("\0").split("\0")) if text else ()


def _text(effects: Effects, path: str) -> UnitFile:
    try:
        content = effects.files.read(path).content
    except FileFailure:
        content = b""
    return UnitFile(path=path, text=content.decode(errors="replace"))


def _engine(effects: Effects, unit: UnitState) -> EngineState | EngineDown:
    if not unit.running:
        soon = ", and a job of it waits" if unit.queued else ""
        return EngineDown(f"docker.service is {unit.active_state} ({unit.sub_state}){soon}")
    try:
        api = effects.engine.ping()
        info = effects.engine.info()
        listed = effects.containers.list()
        volumes, networks = effects.engine.counts()
    except EngineFailure as failure:
        return EngineDown(str(failure))
    images = info.get("Images")
    return EngineState(
        version=str(info.get("ServerVersion", "")),
        api_version=api,
        info=info,
        containers=tuple(_container(document) for document in listed),
        images=images if isinstance(images, int) else 0,
        volumes=volumes,
        networks=networks,
        prior_drivers=prior_drivers(
            effects.files, str(info.get("DockerRootDir") or "/var/lib/docker")
        ),
    )


def _container(document: dict[str, Json]) -> Container:
    names = document.get("Names")
    return Container(
        id=str(document.get("Id", "")),
        name=str(names[0]).lstrip("/") if isinstance(names, list) and names else "",
        image=str(document.get("Image", "")),
        state=str(document.get("State", "")),
    )


def with_disposable(effects: Effects, host: HostState) -> HostState:
    """Give the host with its active `--rm` containers marked.

    The list does not tell them, and one question a container is too much for every look: ask only
    where a plan stops the engine, and of more than 200 nobody is asked; the step that keeps them
    asks again anyway.
    """
    engine = host.engine
    if not isinstance(engine, EngineState):
        return host
    ask = len(engine.running) <= _MOST_ASKED
    containers = tuple(
        replace(one, auto_remove=_auto_remove(effects, one.id) if ask else None)
        if one.active
        else one
        for one in engine.containers
    )
    return replace(host, engine=replace(engine, containers=containers))


def with_layers(effects: Effects, host: HostState) -> HostState:
    """Give the host with what keeps its containers' files from being moved to another driver."""
    engine = host.engine
    if not isinstance(engine, EngineState):
        return host
    identities = [one.id for one in engine.containers if not one.going]
    why = effects.carrier.obstacle(engine.root, engine.driver, identities)
    return replace(host, engine=replace(engine, unmovable=why))


def with_survey(effects: Effects, host: HostState, move: RootMove, *, records: str) -> HostState:
    """Give the host with a look at where its data-root is and is to be.

    Where that cannot be had, as without systemd, the plan is made without it.
    """
    try:
        seen = effects.roots.survey(move)
    except (FileFailure, SystemdFailure):
        return host
    return replace(host, survey=seen, left=left_behind(records))


def with_facts(effects: Effects, host: HostState, asked: Questions) -> HostState:
    """Give the host with answers to what its engine's rules ask, and nothing else looked at."""
    root = _present_root(host, asked.data_root)
    return replace(host, facts=facts_of(effects.surroundings, effects.files, asked, root=root))


def with_settings(effects: Effects, host: HostState) -> HostState:
    """Give the host with what each container was created with, and the names of its networks.

    For a plan that somebody reads; with more than 200 containers none of them is asked.
    """
    engine = host.engine
    if not isinstance(engine, EngineState):
        return host
    try:
        names = [str(network.get("Name", "")) for network in effects.networks.list()]
    except EngineFailure:
        return host
    made = tuple(sorted(name for name in names if name not in _PREDEFINED_NETWORKS))
    containers = engine.containers
    if len(containers) <= _MOST_ASKED:
        containers = tuple(
            replace(one, settings=_host_config(effects, one.id)) for one in containers
        )
    return replace(host, engine=replace(engine, containers=containers, network_names=made))


def _host_config(effects: Effects, identity: str) -> dict[str, Json] | None:
    try:
        settings = effects.containers.inspect(identity).get("HostConfig")
    except EngineFailure:
        return None
    return settings if isinstance(settings, dict) else None


def _auto_remove(effects: Effects, identity: str) -> bool:
    settings = _host_config(effects, identity)
    return settings is not None and settings.get("AutoRemove") is True


def _present_root(host: HostState, data_root: str) -> str:
    """Give the folder that the engine keeps its data in: with userns-remap it lies deeper."""
    root = host.engine.root if isinstance(host.engine, EngineState) else ""
    return root if root.startswith(f"{data_root.rstrip('/')}/") else data_root
