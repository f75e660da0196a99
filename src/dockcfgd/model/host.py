"""What one look at the host gives: the managed files, the unit, the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dockcfgd.model.desired import Json
from dockcfgd.model.drivers import of_containerd
from dockcfgd.model.facts import Facts
from dockcfgd.model.files import FileState
from dockcfgd.model.roots import LeftBehind, RootSurvey

__all__ = [
    "SNAPSHOTTER",
    "Container",
    "EngineDown",
    "EngineState",
    "HostState",
    "UnitFile",
    "UnitState",
    "driver_of",
    "on_containerd_store",
    "on_swarm_node",
]

SNAPSHOTTER = "io.containerd.snapshotter"
"""What `driver-type` of /info begins with where images are in containerd's store."""

_SIGKILL = 9
_ON_A_NODE = frozenset({"active", "pending", "locked", "error"})


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit as systemd knows it.

    Words are systemd's own; `invocation_id` is hex, empty when it never ran. `started` is when its
    process began, on the machine's monotonic clock (of a scope, which has none of its own, when it
    became active), `start_seconds` how long that took to be ready (0: it never was); both are 0
    where not known. `ready` is when the unit was ready last, on that clock, whichever run that was
    (0: never since the boot). `stop_seconds` is how long it may take to stop before systemd kills
    it, inf for any time.
    `queued`: a job of it waits or runs, as each start of the boot does until it was done.
    """

    name: str
    load_state: str
    active_state: str
    sub_state: str
    result: str = "success"
    fragment_path: str = ""
    drop_in_paths: tuple[str, ...] = ()
    need_daemon_reload: bool = False
    invocation_id: str = ""
    main_pid: int = 0
    restarts: int = 0
    exec_status: int = 0
    exec_start: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
    started: float = 0.0
    start_seconds: float = 0.0
    ready: float = 0.0
    stop_seconds: float = 0.0
    queued: bool = False

    @property
    def running(self) -> bool:
        """Whether the service's process is up and said so."""
        return self.active_state in {"active", "reloading"} and self.main_pid > 0

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs, and it is not about to be started either."""
        return self.down and not self.queued

    @property
    def stopped(self) -> bool:
        """Whether it was stopped on demand, or not yet started since the boot, and stays so."""
        return self.at_rest and self.active_state == "inactive" and self.result == "success"

    @property
    def down(self) -> bool:
        """Whether nothing of it runs; it may be about to be started."""
        return self.active_state in {"inactive", "failed"}

    @property
    def killed(self) -> bool:
        """Whether its process was ended by SIGKILL of somebody else or for want of memory.

        systemd's own SIGKILL, after a time limit, is `timeout` or `watchdog` (systemd.exec(5)).
        """
        by_signal = self.result == "signal" and self.exec_status == _SIGKILL
        return by_signal or self.result == "oom-kill"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """The text of a unit file, a drop-in or an environment file."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine lists it.

    `state` is the engine's word: running, paused, exited, created … `auto_remove` tells a `--rm`
    one, None: nobody asked. `settings` is the HostConfig
    that it was created with, None where it was not asked for.
    """

    id: str
    name: str
    image: str
    state: str
    auto_remove: bool | None = False
    restart_policy: str = "no"
    settings: Mapping[str, Json] | None = None

    @property
    def active(self) -> bool:
        """Whether its processes exist now."""
        return self.state in {"running", "paused", "restarting"}

    @property
    def going(self) -> bool:
        """Whether the engine removes it, or has not come to an end with that: it may lack files."""
        return self.state in {"dead", "removing"}


@dataclass(frozen=True, slots=True)
class EngineState:
    """A serving engine. `info` is its /info document.

    Counts are of the image store and data-root in use. `network_names` are those of user-made
    networks, None where they were not asked for. `unmovable` says why the containers' files cannot
    be moved to another driver (None: nobody looked).
    """

    version: str
    api_version: str
    info: Mapping[str, Json]
    containers: tuple[Container, ...] = ()
    images: int = 0
    volumes: int = 0
    networks: int = 0
    prior_drivers: tuple[str, ...] = ()
    network_names: tuple[str, ...] | None = None
    unmovable: str | None = None

    def text(self, key: str) -> str:
        """Give a top-level string of /info, empty where it has none."""
        value = self.info.get(key)
        return value if isinstance(value, str) else ""

    def status(self, name: str) -> str:
        """Give a row of the storage driver's status, empty where it has none."""
        rows = self.info.get("DriverStatus")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, list) and row and row[0] == name:
                return str(row[1])
        return ""

    @property
    def driver(self) -> str:
        """The storage driver or snapshotter in use, as model.drivers calls it."""
        return driver_of(self.info)

    @property
    def root(self) -> str:
        """The data-root in use."""
        return self.text("DockerRootDir") or "/var/lib/docker"

    @property
    def live_restore(self) -> bool:
        """Whether live-restore is in force in the running engine."""
        return self.info.get("LiveRestoreEnabled") is True

    @property
    def swarm_active(self) -> bool:
        """Whether the host is a swarm node."""
        return on_swarm_node(self.info)

    @property
    def running(self) -> tuple[Container, ...]:
        """The containers whose processes exist."""
        return tuple(container for container in self.containers if container.active)


@dataclass(frozen=True, slots=True)
class EngineDown:
    """The engine does not answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class HostState:
    """What one look gave.

    `unit_files` are docker.service's own file and its drop-ins but ours, in systemd's order;
    `command` is the running engine's program and arguments, empty where it cannot be seen. `facts`
    are there once a plan has asked for them, `survey` and `left` once it moves the data-root.
    """

    daemon_json: FileState
    drop_in: FileState
    unit: UnitState
    engine: EngineState | EngineDown
    unit_files: tuple[UnitFile, ...] = ()
    environment_files: tuple[UnitFile, ...] = ()
    binary_version: str = ""
    stopping: bool = False
    dockerd: str = ""
    command: tuple[str, ...] = ()
    facts: Facts | None = None
    survey: RootSurvey | None = None
    left: tuple[LeftBehind, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def version(self) -> str:
        """The engine's version.

        The running one's, else that of the installed binary, else empty.
        """
        return self.engine.version if isinstance(self.engine, EngineState) else self.binary_version


def driver_of(info: Mapping[str, Json]) -> str:
    """Give the storage driver or snapshotter of an engine with this /info, empty where it has none.

    As model.drivers calls it: /info gives two of them the same name.
    """
    name = info.get("Driver")
    driver = name if isinstance(name, str) else ""
    return of_containerd(driver) if on_containerd_store(info) else driver


def on_swarm_node(info: Mapping[str, Json]) -> bool:
    """Tell whether an engine with this /info is a node of a swarm, or about to be one."""
    swarm = info.get("Swarm")
    return isinstance(swarm, dict) and str(swarm.get("LocalNodeState")) in _ON_A_NODE


def remaps_users(info: Mapping[str, Json]) -> bool:
    """Tell whether an engine with this /info gives containers users of their own (userns-remap)."""
    options = info.get("SecurityOptions")
    return isinstance(options, list) and any(str(one).startswith("name=userns") for one in options)


def on_containerd_store(info: Mapping[str, Json]) -> bool:
    """Tell whether an engine with this /info has its images in containerd's store."""
    rows = info.get("DriverStatus")
    return any(
        isinstance(row, list) and row[:1] == ["driver-type"] and SNAPSHOTTER in str(row[1:])
        for row in (rows if isinstance(rows, list) else ())
    )
