"""The engine's process and what it keeps on disk.

What it does at start, reload and stop follows the real one: which containers come back, which are
shown under which storage driver, which values a reload takes and which it only seems to take.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import EngineFailure, EngineSilent
from tests.fakes.clock import FakeClock
from tests.fakes.configuration import CommandLine, Refused, load, parse_command
from tests.fakes.containers import Container, Network, Volume, timestamp
from tests.fakes.effective import SIGHUP_KEEPS, SIGHUP_RESETS, reload_attributes
from tests.fakes.files import FakeFiles
from tests.fakes.images import ContainerdStore, Image, ImageStore

__all__ = ["SNAPSHOTTER", "Dockerd", "Process", "Refusal", "Root"]

# Given the flat effective configuration, the reason why the engine does not start with it, or None.
Refusal = Callable[[Mapping[str, Any]], str | None]

_API = {20: "1.41", 23: "1.42", 24: "1.43", 25: "1.44", 26: "1.45", 27: "1.47", 28: "1.51"}
_NEWEST_API = "1.52"
LOG_DRIVERS = {
    "awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "none", "splunk",
    "syslog",
}  # fmt: skip
_AUTOMATIC = ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs")
SNAPSHOTTER = "overlayfs"
_STORE_FILE, _ROOT_FILE = ".store", ".root"
_KILLED = 137
_FAREWELL_SECONDS = 5.0
_LOST = 255
_SERVER_ERROR = 500


def _read(file: str) -> Mapping[str, Any]:
    """Read a container's file: a sweep reads a million of them, so no Path here."""
    with open(file, encoding="utf-8") as opened:  # noqa: PTH123 -- as said
        return _parsed(opened.read())


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(text)
    return found


@dataclass
class Root:
    """A data-root: everything that lies in it, for all drivers."""

    path: str
    stores: dict[str, int] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    removed: dict[str, Container] = field(default_factory=dict)


@dataclass
class Process:
    """A running dockerd: the configuration in force, and the place it works on."""

    pid: int
    config: dict[str, Any]
    command: CommandLine
    environment: Mapping[str, str]
    root: Root
    driver: str
    store: int
    events: list[dict[str, str]] = field(default_factory=list)
    subscribers: int = 0
    log_level: str = "info"
    own_runtimes: bool = True

    @property
    def live_restore(self) -> bool:
        return bool(self.config.get("live-restore"))


class Dockerd:
    """The installed engine of one host.

    `drivers` are the storage drivers that work here, `broken_drivers` those that do not, with the
    engine's reason. `refusals` are further reasons not to start, `reload_refusals` not to take a
    reload, `silences` to take one and send no event, `container_refusals` such that a container
    has. `health` gives the word on the health of a container that has a check. One that `hangs`
    runs and answers nothing; with `socket_gone` nobody reaches it. With `on_disk` the data-root is
    a real folder: each driver's store is a folder in it, and one that is moved away is gone for the
    engine until it is moved back, as are the folders of containers.
    """

    def __init__(
        self,
        files: FakeFiles,
        clock: FakeClock,
        *,
        version: str = "26.1.5+dfsg1",
        data_root: str = "/var/lib/docker",
        on_disk: bool = False,
    ) -> None:
        self.files = files
        self.clock = clock
        self.version = version
        self.data_root = data_root
        self.on_disk = on_disk
        self.drivers = {"overlay2", "vfs"}
        self.broken_drivers = {
            "btrfs": "prerequisites for driver not satisfied (wrong filesystem?)",
            "zfs": "prerequisites for driver not satisfied",
        }
        self.refusals: list[Refusal] = []
        self.reload_refusals: list[Refusal] = []
        self.silences: list[Refusal] = []
        self.container_refusals: list[Callable[[Container], str | None]] = []
        self.health: dict[str, Callable[[], str]] = {}
        self.hangs = self.socket_gone = False
        self.swarm = False
        self.process: Process | None = None
        self.log: list[str] = []
        self.containerd = ContainerdStore()
        self.stores: list[ImageStore] = [self.containerd]
        self.roots: dict[str, Root] = {}
        self._known_roots: list[Root] = []
        self._numbers = itertools.count(1)

    @property
    def release(self) -> EngineVersion:
        """The version without the distribution's suffix."""
        return EngineVersion.parse(self.version)

    @property
    def api(self) -> str:
        """The newest API version that it offers."""
        return _API.get(self.release.major, _NEWEST_API)

    # What systemd does with it

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process. Refused with its last line where it ends instead."""
        command = parse_command(words)
        config = self._read(command)
        self._refuse_settings(config)
        path = str(config.get("data-root") or config.get("graph") or self.data_root)
        if config.get("userns-remap"):
            path = f"{path}/100000.100000"
        root = self._root_at(path)
        driver = self._choose_driver(root, config, environment)
        store = self._open_store(root, driver)
        self._keep_configurations(f"{root.path}/image/{driver}", self.stores[store])
        for refusal in self.refusals:
            reason = refusal(config)
            if reason:
                raise Refused(reason)
        self.process = Process(
            self._next(), config, command, dict(environment), root, driver, store
        )
        self.process.log_level = (
            "debug" if config.get("debug") else config.get("log-level") or "info"
        )
        for identity in list(root.removed) if self.on_disk else ():
            if Path(root.path, "containers", identity, "hostconfig.json").exists():
                root.containers[identity] = root.removed.pop(identity)
        self._make_networks(root)
        self._restore(live_restore=self.process.live_restore)

    def stop(self) -> None:
        """End the process in order; its containers too, unless live-restore is in force."""
        process = self._running()
        if process.subscribers and self.release >= EngineVersion(23, 0):
            # Newer engines give clients that listen to events some time to leave.
            self.clock.sleep(_FAREWELL_SECONDS)
        if not process.live_restore:
            for container in self.containers():
                if container.alive:
                    container.end(exit_code=_KILLED, moment=self.moment())
                    self._forget_if_wanted(container)
        self.process = None

    def kill(self) -> None:
        """End the process at once; the containers' processes live on."""
        self.process = None

    def running_scopes(self) -> list[str]:
        """Give the scopes of the containers that have processes, whether an engine lives or not."""
        return [
            f"docker-{container.id}.scope"
            for root in self.roots.values()
            for container in root.containers.values()
            if container.alive
        ]

    def end_scope(self, scope: str) -> None:
        """End the container of a scope, as SIGKILL does."""
        for root in self.roots.values():
            for container in root.containers.values():
                if container.alive and scope == f"docker-{container.id}.scope":
                    container.end(exit_code=_KILLED, moment=self.moment())

    def power_off(self) -> None:
        """End every process of the host at once."""
        self.process = None
        for root in self.roots.values():
            for container in root.containers.values():
                if container.alive:
                    container.end(exit_code=_LOST, moment=self.moment())

    def reload(self) -> None:
        """Read the file again, as SIGHUP has it; an event where that succeeds, else a line."""
        process = self.process
        if process is None:
            return
        self.log.append("Got signal to reload configuration")
        try:
            fresh = self._read(process.command)
            self._refuse_at_reload(fresh)
        except Refused as refused:
            self.log.append(str(refused))
            return
        if bool(fresh.get("debug", process.config.get("debug"))) != (process.log_level == "debug"):
            process.log_level = "debug" if fresh.get("debug") else "info"
        if self.release < EngineVersion(23, 0) and "runtimes" in fresh:
            process.own_runtimes = False
        for key in SIGHUP_KEEPS:
            if key in fresh:
                process.config[key] = fresh[key]
        for key in SIGHUP_RESETS:
            process.config.pop(key, None)
            if key in fresh:
                process.config[key] = fresh[key]
        if not any(silence(process.config) for silence in self.silences):
            process.events.append(reload_attributes(process.config, self.release))

    # What the API shows and does

    def containers(self) -> list[Container]:
        """Give the containers that this process knows: those of its driver, newest first."""
        process = self._running()
        found: list[Container] = []
        for container in process.root.containers.values():
            if process.store not in container.layers:
                continue
            file = self._file_of(container)
            if process.driver == (file.get("Driver", "") if self.on_disk else container.driver):
                container.driver, container.store = process.driver, process.store
                container.image = file.get("Image", container.image)
                found.append(container)
        return sorted(found, key=lambda container: container.created, reverse=True)

    @property
    def images(self) -> ImageStore:
        """The images that this process knows."""
        return self.stores[self._running().store]

    def keep(self, container: Container) -> None:
        """Put a container into the data-root; EngineFailure, and none there, where it is full."""
        if self.on_disk:
            try:
                self._write_files(container)
            except OSError as error:
                shutil.rmtree(self._folder(container), ignore_errors=True)
                what, why = f"create container {container.name}", str(error)
                raise EngineFailure(what=what, status=_SERVER_ERROR, why=why) from error
        self._running().root.containers[container.id] = container

    def _write_files(self, container: Container) -> None:
        folder = self._folder(container)
        folder.mkdir(parents=True)
        state = {
            "ID": container.id,
            "Driver": container.driver,
            "Image": container.image,
            "Name": f"/{container.name}",
            "MountPoints": {mount["Destination"]: mount for mount in container.mounts},
            "NetworkSettings": {"Networks": container.endpoints},
        }
        folder.joinpath("config.v2.json").write_text(json.dumps(state))
        folder.joinpath("hostconfig.json").write_text("{}")

    def remove(self, container: Container) -> None:
        """Take a container out of the data-root."""
        root = self._running().root
        root.containers.pop(container.id, None)
        if self.on_disk:
            # Its layers on other drivers stay, and whoever makes its folder again has it back.
            container.layers.pop(container.store, None)
            root.removed[container.id] = container
            shutil.rmtree(self._folder(container))

    def beside(self, folder: str) -> Dockerd:
        """Give a second engine of the same kind that keeps its data in a folder."""
        other = Dockerd(
            self.files, self.clock, version=self.version, data_root=folder, on_disk=True
        )
        other.drivers, other.broken_drivers = self.drivers, self.broken_drivers
        other.stores, other._numbers = self.stores, self._numbers
        other.containerd = self.containerd
        return other

    def remove_if_wanted(self, container: Container) -> None:
        """Remove a container that ended, and its anonymous volumes, if it was made with --rm.

        A volume that another container has stays.
        """
        if container.auto_remove:
            self.remove(container)
            root = self._running().root
            others = {mount.get("Name") for one in self.containers() for mount in one.mounts}
            for mount in container.mounts:
                volume = root.volumes.get(str(mount.get("Name")))
                if volume is not None and volume.anonymous and volume.name not in others:
                    del root.volumes[volume.name]

    def launch(self, container: Container) -> None:
        """Start a container's process."""
        container.state, container.pid = "running", self._next()
        container.started, container.stopped_by_hand = self.moment(), False
        self.write_log(container, f"{container.name} starts")

    def write_log(self, container: Container, line: str) -> None:
        """Have a container say something, where its folder is a real one."""
        if self.on_disk:
            with self.log_of(container).open("a") as log:
                log.write(f"{line}\n")

    def log_of(self, container: Container) -> Path:
        """Give the file that has what a container says."""
        return self._folder(container) / f"{container.id}-json.log"

    def identity(self) -> str:
        """Give a new ID of 64 digits."""
        return hashlib.sha256(f"{next(self._numbers)}".encode()).hexdigest()

    def moment(self) -> str:
        """Give the present time as the API writes it; no two are equal."""
        return timestamp(self.clock.now() + next(self._numbers) / 1_000_000)

    # Inside

    def _keep_configurations(self, folder: str, store: ImageStore) -> None:
        """Have the file of each image there, of those at least for which somebody reads it."""
        if store is self.containerd:
            return

        def keep(image: Image) -> None:
            if not image.layers:
                digest = image.id.removeprefix("sha256:")
                self.files.put(f"{folder}/imagedb/content/sha256/{digest}", image.config)

        store.registered = keep
        for image in store.images.values():
            keep(image)

    def _running(self) -> Process:
        process = self.process
        if process is None:
            # It may be killed in the middle of an answer, by another of dockcfgd's threads.
            raise EngineSilent(what="ask the engine", why="docker.service is not running")
        return process

    def _next(self) -> int:
        return 1000 + next(self._numbers)

    def _read(self, command: CommandLine) -> dict[str, Any]:
        state = self.files.read(command.config_file)
        return load(state.content if state.present else None, command, self.release)

    def _refuse_settings(self, config: Mapping[str, Any]) -> None:
        log_driver = config.get("log-driver") or "json-file"
        runtime = config.get("default-runtime") or "runc"
        # Without options an unknown driver is found with the first container only.
        if log_driver not in LOG_DRIVERS and config.get("log-opts"):
            raise Refused(
                f"failed to start daemon: failed to set log opts: logger: no log driver named "
                f"'{log_driver}' is registered"
            )
        if runtime not in {"runc", "io.containerd.runc.v2", *(config.get("runtimes") or {})}:
            raise Refused(
                "unable to configure the Docker daemon with file /etc/docker/daemon.json: "
                f"specified default runtime '{runtime}' does not exist"
            )
        if config.get("bip") and config.get("bridge"):
            raise Refused("failed to start daemon: You specified -b & --bip, mutually exclusive")
        if config.get("live-restore") and self.swarm:
            raise Refused(
                "failed to start cluster component: --live-restore daemon configuration is "
                "incompatible with swarm mode"
            )

    def _refuse_at_reload(self, fresh: Mapping[str, Any]) -> None:
        for refusal in self.reload_refusals:
            reason = refusal(fresh)
            if reason:
                raise Refused(reason)
        half_set = fresh.get("userland-proxy") and not fresh.get("userland-proxy-path")
        if half_set and self.release >= EngineVersion(25, 0):
            raise Refused(
                "invalid userland-proxy-path: userland-proxy is enabled, but userland-proxy-path "
                "is not set"
            )

    def _choose_driver(
        self, root: Root, config: Mapping[str, Any], environment: Mapping[str, str]
    ) -> str:
        features = config.get("features") or {}
        if features.get("containerd-snapshotter"):
            return SNAPSHOTTER
        driver = environment.get("DOCKER_DRIVER") or str(config.get("storage-driver") or "")
        prior = [name for name in self._drivers_on_disk(root) if name not in {"vfs", SNAPSHOTTER}]
        if not driver and len(prior) > 1:
            raise Refused(
                f"failed to start daemon: error initializing graphdriver: {root.path} contains "
                f"several valid graphdrivers: {', '.join(prior)}; cleanup or explicitly choose "
                "storage driver (-s <DRIVER>)"
            )
        if not driver:
            usable = [name for name in _AUTOMATIC if name in self.drivers]
            driver = prior[0] if prior else usable[0]
        if driver not in self.drivers:
            reason = self.broken_drivers.get(driver, "driver not supported")
            raise Refused(
                f"failed to start daemon: error initializing graphdriver: {reason}: {driver}"
            )
        for option in config.get("storage-opts") or []:
            if not option.startswith(f"{driver}."):
                raise Refused(
                    f"failed to start daemon: error initializing graphdriver: {driver}: unknown "
                    f"option {option.partition('=')[0]}: {driver}"
                )
        return driver

    def _drivers_on_disk(self, root: Root) -> list[str]:
        if self.on_disk:
            return [name for name in root.stores if any(Path(root.path, name).glob("*"))]
        return list(root.stores)

    def _open_store(self, root: Root, driver: str) -> int:
        """Give the number of the driver's store, a new one where the folder is not there."""
        if driver == SNAPSHOTTER:
            root.stores[driver] = self.stores.index(self.containerd)
            return root.stores[driver]
        if not self.on_disk:
            if driver not in root.stores:
                root.stores[driver] = self._new_store()
            return root.stores[driver]
        places = [Path(root.path, driver), Path(root.path, "image", driver)]
        numbers = {place.joinpath(_STORE_FILE) for place in places}
        found = {file.read_text() for file in numbers if file.exists()}
        if len(found) != 1 or not all(file.exists() for file in numbers):
            found = {str(self._new_store())}
            for place in places:
                place.mkdir(parents=True, exist_ok=True)
                place.joinpath(_STORE_FILE).write_text(next(iter(found)))
        root.stores[driver] = int(next(iter(found)))
        return root.stores[driver]

    def _root_at(self, path: str) -> Root:
        """Give what a data-root holds: on disk that goes with the folder."""
        mark = Path(path, _ROOT_FILE)
        if not self.on_disk or not mark.exists():
            root = self.roots[path] = (
                Root(path) if self.on_disk else self.roots.get(path, Root(path))
            )
            if self.on_disk:
                self._mark_root(root)
            return root
        root = self._known_roots[int(mark.read_text())]
        root.path = path
        self.roots = {at: one for at, one in self.roots.items() if one is not root} | {path: root}
        return root

    def _mark_root(self, root: Root) -> None:
        self._known_roots.append(root)
        Path(root.path).mkdir(parents=True, exist_ok=True)
        Path(root.path, _ROOT_FILE).write_text(str(len(self._known_roots) - 1))

    def copy_root(self, source: str, target: str) -> None:
        """Let the folder `target`, a copy of a data-root, hold what that holds now."""
        root = copy.deepcopy(self.roots[source])
        root.path = target
        self.roots[target] = root
        self._mark_root(root)

    def _new_store(self) -> int:
        self.stores.append(ImageStore())
        return len(self.stores) - 1

    def _folder(self, container: Container) -> Path:
        return Path(self._running().root.path, "containers", container.id)

    def _file_of(self, container: Container) -> Mapping[str, Any]:
        if not self.on_disk:
            return {}
        try:
            return _read(f"{self._running().root.path}/containers/{container.id}/config.v2.json")
        except FileNotFoundError:
            return {}

    def _forget_if_wanted(self, container: Container) -> None:
        """Remove one made with --rm, also if it has never run; here its volumes stay, unused."""
        if container.auto_remove:
            self.remove(container)

    def _make_networks(self, root: Root) -> None:
        present = {network.name for network in root.networks.values()}
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            if name not in present:
                identity = self.identity()
                body = {"Name": name, "Driver": driver}
                root.networks[identity] = Network(identity, body, self.moment())

    def _restore(self, *, live_restore: bool) -> None:
        for container in self.containers():
            if container.alive and live_restore:
                continue
            if container.alive:
                container.end(exit_code=_KILLED, moment=self.moment())
            if container.comes_back:
                self.launch(container)
            else:
                self._forget_if_wanted(container)
