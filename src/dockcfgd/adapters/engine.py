"""The Docker engine over its API: state, containers, images, networks.

Tolerated everywhere is only what a docstring of the port calls fine; all else is an EngineFailure
with the engine's own message.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from dockcfgd.adapters.containerd import Containerd
from dockcfgd.adapters.engine_http import CHUNK, EngineConnections, LineStream, Request
from dockcfgd.adapters.grpc import Unreachable
from dockcfgd.migration.full_index import with_full_index
from dockcfgd.migration.tar_members import BadArchive
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure

Documents: TypeAlias = "list[dict[str, Json]]"

__all__ = [
    "DockerContainers",
    "DockerEngine",
    "DockerImages",
    "DockerNetworks",
    "DockerReloadEvents",
]

_PREDEFINED_NETWORKS = {"bridge", "host", "none"}
_NOT_FOUND = 404
_CONFLICT = 409

# Saving and loading stage the whole content first and commits copy it: long silences are normal.
_BULK_SECONDS = 3600.0
_CREATE_SECONDS = 300.0
_START_SECONDS = 300.0
_REMOVE_SECONDS = 300.0
_REMOVAL_POLL_SECONDS = 0.1
# A container may ask to be waited for for ever (-1), and an engine of 29.7 or newer may have a
# default of its own for those that name no time.
_STOP_SECONDS = 600.0
_ENDLESS_STOP_SECONDS = 3600.0

# What containerd says of a task that a killed engine has left. It forgets it once the shim that it
# had has ended (0.1 s idle).
_TASK_LEFT = re.compile(r"task ([0-9a-f]{64}): already exists")
# What is said of a container where the engine was killed while it started it. containerd 2 gives
# the shim twice 5 s to clean up (cleanupTimeout, core/runtime/v2/shim.go) and then removes its
# folder, so that nothing tells runc; the start that fails over what runc knows has that removed.
_START_LEFT = re.compile(
    r"mkdir \S+/[0-9a-f]{64}: file exists|container with given ID already exists"
)
_FORGET_SECONDS, _FORGET_POLL_SECONDS = 15.0, 0.25
# The engine takes the end of the task that was left for that of the one it starts meanwhile, and
# unmounts its files (seen with 26.1, 0.2 s after the shim had ended, on a machine under load).
_HEARD_SECONDS = 2.0

_IN_CONTAINERD = ["driver-type", "io.containerd.snapshotter.v1"]
_TAR_END = bytes(1024)
_TAIL = 4096


class DockerEngine:
    """The engine's state (ports.Engine)."""

    def __init__(self, connections: EngineConnections) -> None:
        self._connections = connections

    def ping(self) -> str:
        """Give the API version that the engine offers; the version in use is negotiated anew."""
        return self._connections.negotiate()

    def info(self) -> dict[str, Json]:
        """Give the /info document."""
        request = Request("GET", "/info", what="ask the engine for its state")
        return _object(self._connections.call(request), request)

    def counts(self) -> tuple[int, int]:
        """Give the numbers of volumes and of user-made networks."""
        networks = DockerNetworks(self._connections)
        made = [net for net in networks.list() if net.get("Name") not in _PREDEFINED_NETWORKS]
        return len(networks.volumes()), len(made)

    @contextlib.contextmanager
    def reload_events(self) -> Iterator[DockerReloadEvents]:
        """Subscribe to `daemon reload` events; in force when the context is entered."""
        filters = json.dumps({"type": ["daemon"], "event": ["reload"]})
        # The engine answers just before it subscribes; `since` has it repeat what fell in between.
        query = {"filters": filters, "since": f"{time.time():.9f}"}
        request = Request("GET", "/events", what="subscribe to the engine's events", query=query)
        with self._connections.lines(request) as stream:
            yield DockerReloadEvents(stream)


class DockerReloadEvents:
    """A subscription to reload events (ports.ReloadEvents)."""

    def __init__(self, stream: LineStream) -> None:
        self._stream = stream

    def next(self, *, timeout: float) -> Mapping[str, str] | None:
        """Wait for one event, give its attributes; None at `timeout` or when the engine is gone."""
        deadline = time.monotonic() + timeout
        while (line := self._stream.next_line(timeout=deadline - time.monotonic())) is not None:
            attributes = _reload_attributes(line)
            if attributes is not None:
                return attributes
        return None


class DockerContainers:
    """The engine's containers (ports.Containers).

    `end_left_shim` ends a shim without a process by the ID of its container, and tells whether
    there was one.
    """

    def __init__(
        self,
        connections: EngineConnections,
        *,
        end_left_shim: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._connections = connections
        self._end_left_shim = end_left_shim

    def list(self) -> Documents:
        """Give all containers, stopped ones too."""
        request = Request("GET", "/containers/json", what="list containers", query={"all": "1"})
        return _objects(self._connections.call(request), request)

    def inspect(self, container: str) -> dict[str, Json]:
        """Give a container's inspect document."""
        request = Request("GET", f"/containers/{container}/json", f"inspect container {container}")
        return _object(self._connections.call(request), request)

    def create(self, name: str, body: Mapping[str, Json]) -> str:
        """Create a container, give its ID; `name` may have the slash that inspect shows it with."""
        request = Request(
            "POST",
            "/containers/create",
            what=f"create container {name}",
            query={"name": name.removeprefix("/")},
            body=body,
            limit=_CREATE_SECONDS,
        )
        return _id(self._connections.call(request), request)

    def start(self, container: str) -> None:
        """Start a container; one that runs is fine (the engine answers 304).

        What a killed engine has left of it is waited for, and a shim ended, where it keeps it from
        starting.
        """
        deadline, ended = time.monotonic() + _FORGET_SECONDS, False
        while True:
            try:
                return self._act(container, "start", limit=_START_SECONDS)
            except EngineFailure as error:
                left = _TASK_LEFT.search(str(error))
                wait = _FORGET_POLL_SECONDS
                if left and not ended:
                    ended, wait = self._end_left_shim(left[1]), _HEARD_SECONDS
                goes = ended if left else _START_LEFT.search(str(error)) is not None
                if not goes or time.monotonic() > deadline:
                    raise
            time.sleep(wait)

    def stop(self, container: str) -> None:
        """Stop a container with its own stop timeout; one that is stopped is fine (304)."""
        config = self.inspect(container).get("Config")
        own = config.get("StopTimeout") if isinstance(config, dict) else None
        limit = _STOP_SECONDS
        if isinstance(own, int):
            limit = own + _STOP_SECONDS if own >= 0 else _ENDLESS_STOP_SECONDS
        self._act(container, "stop", limit=limit)

    def pause(self, container: str) -> None:
        """Pause a running container; one that is paused is fine."""
        try:
            self._act(container, "pause")
        except EngineFailure:
            if not self._paused(container):
                raise

    def unpause(self, container: str) -> None:
        """Let a paused container go on; one that is not paused is fine."""
        try:
            self._act(container, "unpause")
        except EngineFailure as error:
            if error.status in {0, _NOT_FOUND} or self._paused(container):
                raise

    def remove(self, container: str) -> None:
        """Remove a container by force, its volumes never; returns when it is gone."""
        request = Request(
            "DELETE",
            f"/containers/{container}",
            what=f"remove container {container}",
            query={"force": "1", "v": "0"},
            limit=_REMOVE_SECONDS,
        )
        try:
            self._connections.call(request)
        except EngineFailure as error:
            if error.status == _CONFLICT and "already in progress" in str(error):
                self._await_removal(container, request)
            elif error.status != _NOT_FOUND:
                raise

    def commit(self, container: str, *, repository: str, tag: str) -> str:
        """Make an image of writable layer and configuration without pausing, give its ID."""
        request = Request(
            "POST",
            "/commit",
            what=f"commit container {container}",
            query={"container": container, "repo": repository, "tag": tag, "pause": "0"},
            limit=_BULK_SECONDS,
        )
        return _id(self._connections.call(request), request)

    def changed(self, container: str) -> bool:
        """Whether the writable layer differs from the image."""
        request = Request(
            "GET",
            f"/containers/{container}/changes",
            what=f"compare container {container} with its image",
            limit=_BULK_SECONDS,
        )
        return bool(self._connections.call(request))

    def written(self, container: str) -> int:
        """Give the bytes of the writable layer, as the engine counts them."""
        what = f"ask how much container {container} has written"
        path, query = f"/containers/{container}/json", {"size": "1"}
        request = Request("GET", path, what, query=query, limit=_BULK_SECONDS)
        size = _object(self._connections.call(request), request).get("SizeRw")
        return size if isinstance(size, int) else 0

    def _act(self, container: str, verb: str, *, limit: float = 60.0) -> None:
        path = f"/containers/{container}/{verb}"
        self._connections.call(Request("POST", path, f"{verb} container {container}", limit=limit))

    def _paused(self, container: str) -> bool:
        state = self.inspect(container).get("State")
        return isinstance(state, dict) and state.get("Paused") is True

    def _await_removal(self, container: str, request: Request) -> None:
        deadline = time.monotonic() + request.limit
        while time.monotonic() < deadline:
            try:
                self.inspect(container)
            except EngineFailure as error:
                if error.status == _NOT_FOUND:
                    return
                raise
            time.sleep(_REMOVAL_POLL_SECONDS)
        raise EngineFailure(what=request.what, status=0, why="its removal does not end")


class DockerImages:
    """The engine's images (ports.Images), which may lie in `containerd`'s store."""

    def __init__(
        self, connections: EngineConnections, containerd: Containerd | None = None
    ) -> None:
        self._connections, self._containerd = connections, containerd

    def list(self) -> Documents:
        """Give all images that have a tag or are used."""
        request = Request("GET", "/images/json", what="list images")
        return _objects(self._connections.call(request), request)

    def inspect(self, image: str) -> dict[str, Json]:
        """Give an image's inspect document."""
        request = Request("GET", f"/images/{image}/json", what=f"inspect image {image}")
        return _object(self._connections.call(request), request)

    def history(self, image: str) -> Documents:
        """Give an image's history, the newest entry first."""
        request = Request("GET", f"/images/{image}/history", f"read the history of image {image}")
        return _objects(self._connections.call(request), request)

    def configs(self) -> dict[str, str]:
        """Give the ID that each image has on a graph driver, by its own."""
        if self._containerd is None or not self._in_containerd():
            return {}
        try:
            digests = sorted(set(self._containerd.images().values()))
            return {digest: self._containerd.config(digest) for digest in digests}
        except Unreachable:
            # A backup can do without; whoever moves containers asks containerd otherwise too.
            return {}

    def _in_containerd(self) -> bool:
        if self._containerd is None:
            return False
        request = Request("GET", "/info", what="ask the engine for its store")
        rows = _object(self._connections.call(request), request).get("DriverStatus")
        return isinstance(rows, list) and _IN_CONTAINERD in rows

    @contextlib.contextmanager
    def save(self, references: Sequence[str]) -> Iterator[Iterator[bytes]]:
        """Stream one archive of all `references`; EngineFailure also where it is cut short."""
        what = f"save {len(references)} images" if len(references) > 1 else f"save {references[0]}"
        query = {"names": tuple(references)}
        request = Request("GET", "/images/get", what=what, query=query, limit=_BULK_SECONDS)
        with self._connections.open(request) as response:
            yield _archive(response, what)

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an uncompressed archive; EngineFailure also for an error in the answer's stream."""
        request = Request(
            "POST", "/images/load", what="load images", query={"quiet": "1"}, limit=_BULK_SECONDS
        )
        chunks = with_full_index(archive) if self._in_containerd() else archive
        try:
            answer = self._connections.upload(request, chunks)
        except BadArchive as error:
            raise EngineFailure(what=request.what, status=0, why=str(error)) from error
        for complaint in filter(None, map(_load_error, answer)):
            raise EngineFailure(what=request.what, status=0, why=complaint)

    def tag(self, image: str, *, repository: str, tag: str) -> None:
        """Give an image a name."""
        query = {"repo": repository, "tag": tag}
        what = f"tag image {image} as {repository}:{tag}"
        self._connections.call(Request("POST", f"/images/{image}/tag", what=what, query=query))

    def untag(self, reference: str) -> None:
        """Remove a name, and the image with its last name where nothing uses it.

        Never by force: that deletes an image under its stopped containers. So the last name of an
        image that a container uses is an EngineFailure with status 409.
        """
        request = Request(
            "DELETE",
            f"/images/{reference}",
            what=f"remove the image name {reference}",
            query={"force": "0", "noprune": "1"},
            limit=_REMOVE_SECONDS,
        )
        with _gone_is_fine():
            self._connections.call(request)


class DockerNetworks:
    """The engine's networks and volumes (ports.Networks)."""

    def __init__(self, connections: EngineConnections) -> None:
        self._connections = connections

    def list(self) -> Documents:
        """Give all networks."""
        request = Request("GET", "/networks", what="list networks")
        return _objects(self._connections.call(request), request)

    def create(self, body: Mapping[str, Json]) -> str:
        """Create a network, give its ID."""
        what = f"create network {body.get('Name')}"
        request = Request("POST", "/networks/create", what=what, body=body)
        return _id(self._connections.call(request), request)

    def connect(self, network: str, body: Mapping[str, Json]) -> None:
        """Connect a container that has not started yet."""
        what = f"connect container {body.get('Container')} to network {network}"
        self._connections.call(Request("POST", f"/networks/{network}/connect", what, body=body))

    def create_volume(self, body: Mapping[str, Json]) -> None:
        """Create a volume; one that is there with the same driver is fine."""
        what = f"create volume {body.get('Name')}"
        self._connections.call(Request("POST", "/volumes/create", what=what, body=body))

    def volumes(self) -> Documents:
        """Give all volumes."""
        request = Request("GET", "/volumes", what="list volumes")
        return _objects(_object(self._connections.call(request), request).get("Volumes"), request)


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise


def _archive(response: http.client.HTTPResponse, what: str) -> Iterator[bytes]:
    """Give an archive's chunks, then make sure that it came to its end.

    An engine that fails in mid-stream appends its error as text, with status 200.
    """
    tail = b""
    while chunk := _read_chunk(response, what):
        tail = (tail + chunk[-_TAIL:])[-_TAIL:]
        yield chunk
    if not tail.endswith(_TAR_END):
        why = tail.rpartition(b"\0")[2].decode("utf-8", "replace").strip()
        raise EngineFailure(what=what, status=0, why=why or "the archive is cut short")


def _read_chunk(response: http.client.HTTPResponse, what: str) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise EngineFailure(what=what, status=0, why=str(error) or type(error).__name__) from error


def _load_error(document: Json) -> str:
    """Give the error that a document of load's answer tells of, empty where there is none.

    The containerd image store only prints that it could not unpack an image.
    """
    if not isinstance(document, dict):
        return ""
    error, text = document.get("error"), document.get("stream")
    if error:
        return str(error).strip()
    return text.strip() if isinstance(text, str) and "error unpacking" in text.lower() else ""


def _reload_attributes(line: bytes) -> dict[str, str] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("Action") != "reload":
        return None
    actor = event.get("Actor")
    attributes = actor.get("Attributes") if isinstance(actor, dict) else None
    pairs = attributes.items() if isinstance(attributes, dict) else ()
    return {str(key): str(value) for key, value in pairs}


def _object(value: Json, request: Request) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise EngineFailure(what=request.what, status=0, why="the engine's answer is no object")
    return value


def _objects(value: Json, request: Request) -> Documents:
    if value is None:
        return []
    if not isinstance(value, list):
        raise EngineFailure(what=request.what, status=0, why="the engine's answer is no list")
    return [_object(item, request) for item in value]


def _id(value: Json, request: Request) -> str:
    identity = _object(value, request).get("Id")
    if not isinstance(identity, str) or not identity:
        raise EngineFailure(what=request.what, status=0, why="the engine's answer has no Id")
    return identity
