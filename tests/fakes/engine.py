"""The engine's ports over a simulated dockerd.

As the real adapter does, they never wake an engine that is stopped: without a process all of them
fail with status 0. What changes something passes the cuts before and after.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from dockcfgd.engine_keys.registries import masked
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure, EngineSilent
from tests.fakes.clock import FakeClock
from tests.fakes.containers import (
    Container,
    Network,
    Volume,
    endpoint,
    full_config,
    full_host_config,
)
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import LOG_DRIVERS, Dockerd, Process
from tests.fakes.effective import info_document
from tests.fakes.images import ContainerdStore, Image, ImageStore

__all__ = ["FakeContainers", "FakeEngine", "FakeImages", "FakeNetworks", "FakeReloadEvents"]

Documents: TypeAlias = "list[dict[str, Json]]"
Mounts: TypeAlias = "list[dict[str, Any]]"

_PROXY_VARIABLES = {
    "HttpProxy": "HTTP_PROXY",
    "HttpsProxy": "HTTPS_PROXY",
    "NoProxy": "NO_PROXY",
}
_CHUNK = 64 * 1024
_BAD = 400
_NOT_FOUND = 404
_CONFLICT = 409
_FAILED = 500
# From here on archives have another layout, several endpoints can be given, and more.
_NEW_LAYOUT = 25
_PREDEFINED = {"bridge", "host", "none"}
_TERMINATED = 143


class _Served:
    """What needs a serving engine.

    Containers are made, started and stopped many at a time; the simulated engine does one after
    the other.
    """

    _one_at_a_time = threading.RLock()

    def __init__(self, dockerd: Dockerd, cuts: Cuts) -> None:
        self._dockerd = dockerd
        self._cuts = cuts

    def _process(self, what: str) -> Process:
        process = self._dockerd.process
        if process is None:
            raise EngineSilent(what=what, why="docker.service is not running")
        if self._dockerd.hangs:
            self._dockerd.clock.sleep(10)
        if self._dockerd.hangs:
            raise EngineSilent(what=what, why="no answer within 10 s")
        if self._dockerd.socket_gone:
            why = "/run/docker.sock: No such file or directory"
            raise EngineSilent(what=what, why=why)
        return process

    @contextlib.contextmanager
    def _effect(self, what: str) -> Iterator[Process]:
        self._cuts.at(f"before: {what}")
        yield self._process(what)
        self._cuts.at(f"after: {what}")


class FakeEngine(_Served):
    """ports.Engine."""

    def ping(self) -> str:
        self._process("reach the engine")
        return self._dockerd.api

    def info(self) -> dict[str, Json]:
        process = self._process("ask the engine for its state")
        document = info_document(
            process.config,
            version=self._dockerd.version,
            driver=process.driver,
            root=process.root.path,
            states=[container.state for container in self._dockerd.containers()],
            own_runtimes=process.own_runtimes,
        )
        for field, name in _PROXY_VARIABLES.items():
            document[field] = document[field] or masked(process.environment.get(name, ""))
        if self._dockerd.swarm:
            document["Swarm"] |= {"LocalNodeState": "active"}
        return document | {"Images": len(self._dockerd.images.images)}

    def counts(self) -> tuple[int, int]:
        root = self._process("count").root
        made = [net for net in root.networks.values() if net.name not in _PREDEFINED]
        return len(root.volumes), len(made)

    @contextlib.contextmanager
    def reload_events(self) -> Iterator[FakeReloadEvents]:
        process = self._process("subscribe to the engine's events")
        process.subscribers += 1
        try:
            yield FakeReloadEvents(process, self._dockerd, self._dockerd.clock)
        finally:
            process.subscribers -= 1


class FakeReloadEvents:
    """ports.ReloadEvents."""

    def __init__(self, process: Process, dockerd: Dockerd, clock: FakeClock) -> None:
        self._process = process
        self._dockerd = dockerd
        self._clock = clock
        self._seen = len(process.events)

    def next(self, *, timeout: float) -> Mapping[str, str] | None:
        deadline = self._clock.monotonic() + timeout
        while self._dockerd.hangs or self._seen >= len(self._process.events):
            left = deadline - self._clock.monotonic()
            if self._dockerd.process is not self._process or left <= 0:
                return None
            self._clock.sleep(min(left, 0.1))
        self._seen += 1
        return self._process.events[self._seen - 1]


class FakeContainers(_Served):
    """ports.Containers."""

    def list(self) -> Documents:
        with self._one_at_a_time:
            return self._summaries()

    def _summaries(self) -> Documents:
        self._process("list containers")
        return [
            container.summary(self._dockerd.health.get(container.name, str)())
            for container in self._dockerd.containers()
        ]

    def inspect(self, container: str) -> dict[str, Json]:
        process = self._process(f"inspect container {container}")
        return self._find(container, "inspect").document(process.root.path)

    def create(self, name: str, body: Mapping[str, Json]) -> str:
        name = name.removeprefix("/")
        with self._one_at_a_time, self._effect(f"create container {name}") as process:
            return self._create(process, name, dict(body))

    def start(self, container: str) -> None:
        what = f"start container {container}"
        with self._one_at_a_time, self._effect(what) as process:
            found = self._find(container, "start")
            if found.alive:
                return
            for name in found.endpoints:
                if find_network(process.root.networks.values(), name) is None:
                    why = f"network {name} not found"
                    raise EngineFailure(what=what, status=_NOT_FOUND, why=why)
            reasons = [refusal(found) for refusal in self._dockerd.container_refusals]
            for reason in filter(None, reasons):
                raise EngineFailure(what=what, status=_FAILED, why=reason)
            self._dockerd.launch(found)

    def stop(self, container: str) -> None:
        with self._one_at_a_time, self._effect(f"stop container {container}"):
            found = self._find(container, "stop")
            if found.alive:
                found.stopped_by_hand = True
                found.end(exit_code=_TERMINATED, moment=self._dockerd.moment())
                self._dockerd.remove_if_wanted(found)

    def pause(self, container: str) -> None:
        with self._effect(f"pause container {container}"):
            found = self._find(container, "pause")
            if not found.alive:
                why = f"container {found.id} is not running"
                what = f"pause container {container}"
                raise EngineFailure(what=what, status=_CONFLICT, why=why)
            found.state = "paused"

    def unpause(self, container: str) -> None:
        with self._effect(f"unpause container {container}"):
            found = self._find(container, "unpause")
            if found.state == "paused":
                found.state = "running"

    def remove(self, container: str) -> None:
        with self._one_at_a_time, self._effect(f"remove container {container}"):
            try:
                found = self._find(container, "remove")
            except EngineFailure:
                return
            self._dockerd.remove(found)

    def commit(self, container: str, *, repository: str, tag: str) -> str:
        with self._one_at_a_time, self._effect(f"commit container {container}"):
            found = self._find(container, "commit")
            store = self._dockerd.images
            base = store.find(found.image)
            config = {key: value for key, value in found.config.items() if key != "Hostname"}
            return store.build(
                [found.layer],
                config=copy.deepcopy(config),
                tag=f"{repository}:{tag}" if repository else "",
                base=base.id,
                created=self._dockerd.moment(),
            )

    def written(self, container: str) -> int:
        self._process(f"measure container {container}")
        layer = self._find(container, "measure").layer
        return sum(len(content or b"") for content in layer.values())

    def changed(self, container: str) -> bool:
        self._process(f"compare container {container} with its image")
        return bool(self._find(container, "compare").layer)

    def _find(self, reference: str, verb: str) -> Container:
        name = reference.removeprefix("/")
        with self._one_at_a_time:
            known = self._dockerd.containers()
        for container in known:
            if name in {container.id, container.name}:
                return container
        found = [container for container in known if name and container.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        what = f"{verb} container {reference}"
        why = f"No such container: {reference}"
        raise EngineFailure(what=what, status=_NOT_FOUND, why=why)

    def _create(self, process: Process, name: str, body: dict[str, Any]) -> str:
        what = f"create container {name}"
        image = self._image(str(body.get("Image")), what=what)
        identity = self._dockerd.identity()
        config = full_config(body, image.document["config"], identity)
        host = full_host_config(body, self._defaults(process))
        self._refuse(name, config, host, what=what)
        made = Container(
            id=identity,
            name=name,
            image=image.id,
            config=config,
            host=host,
            endpoints=self._endpoints(process, host, body, what=what),
            mounts=self._mounts(process, config, host, what=what),
            created=self._dockerd.moment(),
            driver=process.driver,
            store=process.store,
        )
        self._dockerd.keep(made)
        return identity

    def _image(self, reference: str, *, what: str) -> Image:
        try:
            return self._dockerd.images.find(reference)
        except EngineFailure as error:
            why = f"No such image: {reference}"
            raise EngineFailure(what=what, status=_NOT_FOUND, why=why) from error

    def _refuse(
        self, name: str, config: Mapping[str, Any], host: Mapping[str, Any], *, what: str
    ) -> None:
        if any(container.name == name for container in self._dockerd.containers()):
            why = f'Conflict. The container name "/{name}" is already in use'
            raise EngineFailure(what=what, status=_CONFLICT, why=why)
        log_driver = host["LogConfig"]["Type"]
        if log_driver not in LOG_DRIVERS:
            why = f'error looking up logging plugin {log_driver}: plugin "{log_driver}" not found'
            raise EngineFailure(what=what, status=_BAD, why=why)
        if not config.get("Cmd") and not config.get("Entrypoint"):
            raise EngineFailure(what=what, status=_BAD, why="no command specified")
        if host["AutoRemove"] and host["RestartPolicy"]["Name"] not in {"", "no"}:
            why = "can't create 'AutoRemove' container with restart policy"
            raise EngineFailure(what=what, status=_BAD, why=why)

    def _defaults(self, process: Process) -> dict[str, Any]:
        config = process.config
        return {
            "LogConfig": {
                "Type": config.get("log-driver") or "json-file",
                "Config": dict(config.get("log-opts") or {}),
            },
            "Runtime": config.get("default-runtime") or "runc",
            "IpcMode": config.get("default-ipc-mode") or "private",
            "CgroupnsMode": config.get("default-cgroupns-mode") or "private",
        }

    def _endpoints(
        self, process: Process, host: dict[str, Any], body: Mapping[str, Any], *, what: str
    ) -> dict[str, dict[str, Any]]:
        asked = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        if len(asked) > 1 and self._dockerd.release.major < _NEW_LAYOUT:
            why = "Container cannot be connected to network endpoints: " + ", ".join(asked)
            raise EngineFailure(what=what, status=_BAD, why=why)
        mode = str(host["NetworkMode"])
        if mode.startswith("container:"):
            return {}
        if mode in {"", "default"}:
            mode = "bridge"
            # What is shown of a container that asked for nothing differs by release.
            host["NetworkMode"] = (
                "default" if self._dockerd.release.major < _NEW_LAYOUT else "bridge"
            )
        made = {}
        for name in dict.fromkeys([mode, *asked]):
            known = "bridge" if name == "default" else name
            network = find_network(process.root.networks.values(), known)
            made[network.name if network else known] = endpoint(asked.get(name), network)
        return made

    def _mounts(
        self, process: Process, config: Mapping[str, Any], host: Mapping[str, Any], *, what: str
    ) -> Mounts:
        mounts = [_bind(entry) for entry in host.get("Binds") or []]
        mounts += [_mount(entry) for entry in host.get("Mounts") or []]
        for source in host.get("VolumesFrom") or []:
            other = self._find(source.partition(":")[0], what)
            places = {mount["Destination"] for mount in mounts}
            mounts += [m for m in copy.deepcopy(other.mounts) if m["Destination"] not in places]
        places = {mount["Destination"] for mount in mounts}
        mounts += [
            _volume_mount(self._dockerd.identity(), place)
            for place in config.get("Volumes") or {}
            if place not in places
        ]
        for mount in mounts:
            if mount["Type"] == "volume":
                self._make_volume(process, mount, host)
        return mounts

    def _make_volume(
        self, process: Process, mount: dict[str, Any], host: Mapping[str, Any]
    ) -> None:
        name = mount["Name"] = mount.get("Name") or self._dockerd.identity()
        given = {entry.partition(":")[0] for entry in host.get("Binds") or []}
        given |= {str(entry.get("Source")) for entry in host.get("Mounts") or []}
        volumes = process.root.volumes
        if name not in volumes:
            volumes[name] = Volume(name, self._dockerd.moment(), anonymous=name not in given)
        elif name in given:
            # A volume that is asked for by name is never again thrown away with a container.
            volumes[name].anonymous = False
        mount["Source"] = f"{process.root.path}/volumes/{name}/_data"


class FakeImages(_Served):
    """ports.Images."""

    def list(self) -> Documents:
        self._process("list images")
        store = self._dockerd.images
        with self._one_at_a_time:
            return [self._summary(store, image) for image in store.images.values()]

    def inspect(self, image: str) -> dict[str, Json]:
        process = self._process(f"inspect image {image}")
        store = self._dockerd.images
        with self._one_at_a_time:
            found = store.find(image)
        return {
            "Id": found.id,
            "RepoTags": list(found.tags),
            "RepoDigests": list(found.digests),
            "Parent": "",
            "Created": found.document["created"],
            "Config": found.document["config"],
            "Architecture": "amd64",
            "Os": "linux",
            "Size": store.size(found),
            "GraphDriver": {"Data": None, "Name": process.driver},
            "RootFS": {"Type": "layers", "Layers": list(found.layers)},
        }

    def history(self, image: str) -> Documents:
        self._process(f"read the history of image {image}")
        store = self._dockerd.images
        layers = store.find(image).layers
        sizes = [len(store.layers[layer]) for layer in reversed(layers)]
        return [{"Id": "<missing>", "Size": size} for size in sizes]

    def configs(self) -> dict[str, str]:
        self._process("list images")
        store = self._dockerd.images
        with self._one_at_a_time:
            return store.configs() if isinstance(store, ContainerdStore) else {}

    @contextlib.contextmanager
    def save(self, references: Sequence[str]) -> Iterator[Iterator[bytes]]:
        self._process("save images")
        oci = self._dockerd.release.major >= _NEW_LAYOUT
        with self._one_at_a_time:
            archive = self._dockerd.images.save(references, oci=oci)
        yield self._chunks(archive)

    def load(self, archive: Iterable[bytes]) -> None:
        with self._effect("load images"):
            content = b"".join(archive)
            self._process("load images")
            with self._one_at_a_time:
                self._dockerd.images.load(content)

    def tag(self, image: str, *, repository: str, tag: str) -> None:
        with self._effect(f"tag image {image} as {repository}:{tag}"):
            store = self._dockerd.images
            store.tag(store.find(image), f"{repository}:{tag}")

    def untag(self, reference: str) -> None:
        with self._effect(f"remove the image name {reference}"):
            used = {container.image for container in self._dockerd.containers()}
            try:
                self._dockerd.images.untag(reference, used=used)
            except EngineFailure as error:
                if error.status != _NOT_FOUND:
                    raise

    def _chunks(self, archive: bytes) -> Iterator[bytes]:
        for start in range(0, len(archive), _CHUNK):
            self._cuts.at("while saving images")
            self._process("save images")
            yield archive[start : start + _CHUNK]

    def _summary(self, store: ImageStore, image: Image) -> dict[str, Json]:
        return {
            "Containers": -1,
            "Created": 0,
            "Id": image.id,
            "Labels": None,
            "ParentId": "",
            "RepoDigests": list(image.digests),
            "RepoTags": list(image.tags),
            "SharedSize": -1,
            "Size": store.size(image),
        }


class FakeNetworks(_Served):
    """ports.Networks."""

    def volumes(self) -> Documents:
        root = self._process("list volumes").root
        return [volume.document(root.path) for volume in root.volumes.values()]

    def create_volume(self, body: Mapping[str, Json]) -> None:
        name = str(body.get("Name"))
        with self._effect(f"create volume {name}") as process:
            labels, options = body.get("Labels"), body.get("DriverOpts")
            process.root.volumes.setdefault(
                name,
                Volume(
                    name,
                    self._dockerd.moment(),
                    driver=str(body.get("Driver") or "local"),
                    labels=copy.deepcopy(labels) if isinstance(labels, dict) else None,
                    options=copy.deepcopy(options) if isinstance(options, dict) else None,
                ),
            )

    def list(self) -> Documents:
        root = self._process("list networks").root
        return [network.document() for network in root.networks.values()]

    def create(self, body: Mapping[str, Json]) -> str:
        name = str(body.get("Name"))
        with self._effect(f"create network {name}") as process:
            if any(network.name == name for network in process.root.networks.values()):
                why = f"network with name {name} already exists"
                raise EngineFailure(what=f"create network {name}", status=_CONFLICT, why=why)
            identity = self._dockerd.identity()
            made = Network(identity, copy.deepcopy(dict(body)), self._dockerd.moment())
            process.root.networks[identity] = made
            return identity

    def connect(self, network: str, body: Mapping[str, Json]) -> None:
        what = f"connect container {body.get('Container')} to network {network}"
        with self._one_at_a_time, self._effect(what) as process:
            found = find_network(process.root.networks.values(), network)
            wanted = str(body.get("Container"))
            for container in self._dockerd.containers():
                if wanted in {container.id, container.name}:
                    asked = body.get("EndpointConfig")
                    container.endpoints[found.name if found else network] = endpoint(
                        asked if isinstance(asked, dict) else None, found
                    )
                    return
            why = f"No such container: {wanted}"
            raise EngineFailure(what=what, status=_NOT_FOUND, why=why)


def find_network(networks: Iterable[Network], token: str) -> Network | None:
    """Give the network of a name or an ID. One that is missing is no error before the start."""
    known = list(networks)
    found = [one for one in known if one.name == token]
    found += [one for one in known if one.id.startswith(token)]
    return next(iter(found), None)


def _volume_mount(name: str, place: str) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Name": name,
        "Source": "",
        "Destination": place,
        "Driver": "local",
        "Mode": "",
        "RW": True,
        "Propagation": "",
    }


def _bind(entry: str) -> dict[str, Any]:
    source, place, *options = entry.split(":")
    if not source.startswith("/"):
        return _volume_mount(source, place) | {"Mode": ",".join(options) or "z"}
    return {
        "Type": "bind",
        "Source": source,
        "Destination": place,
        "Mode": ",".join(options),
        "RW": "ro" not in ",".join(options).split(","),
        "Propagation": "rprivate",
    }


def _mount(entry: Mapping[str, Any]) -> dict[str, Any]:
    place = str(entry["Target"])
    if entry.get("Type") == "volume":
        return _volume_mount(str(entry.get("Source") or ""), place)
    return {
        "Type": entry.get("Type"),
        "Source": entry.get("Source") or "",
        "Destination": place,
        "Mode": "",
        "RW": not entry.get("ReadOnly"),
        "Propagation": "",
    }
