"""The second ring: what the engine itself would refuse or hide.

No file check tells; it depends on the host at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.engines import log_options, storage_options
from dockcfgd.engine_keys.table import storage_affecting
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves
from dockcfgd.planning.launch import launch_of, parse_flags
from dockcfgd.planning.unit_text import binary_and_flags, exec_start, expand, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import UnitFile
    from dockcfgd.model.plan import Drift
    from dockcfgd.model.policy import Storage
    from dockcfgd.planning.target import Target

__all__ = ["planned_arguments", "refusals_of"]

_DRIVER = ("storage-driver",)
_BEATS_FILE = "DOCKER_DRIVER"
_BUILT_IN_BACKING = {"btrfs": "btrfs", "zfs": "zfs"}


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
        *_contradictions(document, host),
        *_options(document, host),
        *_storage(document, drifts, host, storage if impact is Impact.MIGRATE else None),
    )


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


def _contradictions(document: dict[str, Json], host: HostState) -> Iterable[Finding]:
    if document.get("bridge") and document.get("bip"):
        yield Finding(
            key="engine.bip", message="the engine refuses bip together with bridge", hint="keep one"
        )
    if document.get("icc") is False and document.get("iptables") is False:
        yield Finding(
            key="engine.icc",
            message="the engine refuses icc = false without iptables",
            hint="keep iptables",
        )
    swarm = isinstance(host.engine, EngineState) and host.engine.swarm_active
    if document.get("live-restore") is True and swarm:
        yield Finding(
            key="engine.live-restore",
            message="this host is a swarm node, where the engine does not start with live-restore",
            hint="leave live-restore out, or leave the swarm first",
        )
    runtime, runtimes = document.get("default-runtime"), document.get("runtimes")
    known = set(runtimes) if isinstance(runtimes, dict) else set()
    if isinstance(host.engine, EngineState):
        live = host.engine.info.get("Runtimes")
        known |= (
            set(live)
            if isinstance(live, dict) and runtime in {"runc", "io.containerd.runc.v2"}
            else set()
        )
    if isinstance(runtime, str) and runtime not in {*known, "runc", "io.containerd.runc.v2"}:
        yield Finding(
            key="engine.default-runtime",
            message=f"no runtime {runtime} is defined",
            hint="add it to runtimes",
        )


def _options(document: dict[str, Json], host: HostState) -> Iterable[Finding]:
    version = EngineVersion.parse_or_none(host.version)
    driver, options = document.get("log-driver", "json-file"), document.get("log-opts")
    if isinstance(driver, str) and isinstance(options, dict):
        known = log_options(driver, version)
        for name in options:
            if known and name not in known:
                yield Finding(
                    key=dotted(("engine", "log-opts", name)),
                    message=f"the log driver {driver} has no option {name}",
                    hint=f"it has {', '.join(sorted(known))}",
                )
    storage, settings = document.get("storage-driver"), document.get("storage-opts")
    if isinstance(storage, str) and isinstance(settings, list):
        accepted = storage_options(storage, version)
        for setting in settings:
            name = str(setting).partition("=")[0]
            if name not in accepted:
                yield Finding(
                    key="engine.storage-opts",
                    message=f"the storage driver {storage} has no option {name}",
                    hint=f"it has {', '.join(accepted)}" if accepted else "it has none",
                )


def _storage(
    document: dict[str, Json], drifts: Sequence[Drift], host: HostState, storage: Storage | None
) -> Iterable[Finding]:
    """Refuse what cannot be moved; without `storage` there is nothing to move on this host."""
    hiding = [drift for drift in drifts if drift.impact is Impact.MIGRATE]
    for drift in hiding:
        if drift.path != _DRIVER and storage is not None:
            yield Finding(
                key=dotted(("engine", *drift.path)),
                message="it would hide every image and container of this host,"
                " and this release cannot move them",
                hint="only storage-driver can be changed on a host that is in use",
            )
    if any(drift.path == _DRIVER for drift in hiding):
        yield from _driver(document, host, storage)


def _driver(
    document: dict[str, Json], host: HostState, storage: Storage | None
) -> Iterable[Finding]:
    driver, engine = document.get("storage-driver"), host.engine
    if not isinstance(engine, EngineState):
        yield Finding(
            key="engine.storage-driver",
            message="the engine is stopped, so its images and containers cannot be moved",
            hint="start it with its present driver first",
        )
        return
    if not isinstance(driver, str) or not driver:
        yield Finding(
            key="engine.storage-driver", message="no storage driver is named to migrate to"
        )
        return
    if storage is not None and not storage.migrate_containers:
        yield Finding(
            key="engine.storage-driver",
            message="it would hide every image and container,"
            " and storage.migrate-containers is false",
            hint="set storage.migrate-containers = true",
        )
    if engine.swarm_active:
        yield Finding(
            key="engine.storage-driver",
            message="this host is a swarm node",
            hint="drain and leave the swarm first",
        )
    launch = launch_of(host)
    if launch.environment.get(_BEATS_FILE, driver) != driver:
        yield Finding(
            key="engine.storage-driver",
            message=f"{_BEATS_FILE} in the environment of docker.service beats daemon.json",
            hint="take it out of /etc/default/docker or of the unit",
        )
    yield from _prerequisites(driver, engine)


def _prerequisites(driver: str, engine: EngineState) -> Iterable[Finding]:
    if _is_snapshotter(engine):
        yield Finding(
            key="engine.storage-driver",
            message="the containerd image store is in use,"
            " and this release migrates between storage drivers only",
        )
    backing = _backing(engine)
    needed = _BUILT_IN_BACKING.get(driver)
    if needed and backing and backing != needed:
        yield Finding(
            key="engine.storage-driver",
            message=f"{driver} needs {engine.root} on {needed}; it is on {backing}",
            hint=f"move the data-root to a {needed} filesystem first",
        )
    if driver in {"overlay2", "overlay"} and _status(engine, "Supports d_type") == "false":
        yield Finding(
            key="engine.storage-driver",
            message=f"{engine.root} is on a filesystem without d_type support",
        )


def _is_snapshotter(engine: EngineState) -> bool:
    return _status(engine, "driver-type").startswith("io.containerd.snapshotter")


def _backing(engine: EngineState) -> str:
    word = _status(engine, "Backing Filesystem")
    if not word and engine.driver in _BUILT_IN_BACKING:
        return engine.driver
    return {"extfs": "ext4"}.get(word, word)


def _status(engine: EngineState, name: str) -> str:
    rows = engine.info.get("DriverStatus")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and row and row[0] == name:
            return str(row[1])
    return ""
