"""What dockcfgd needs of the outside, in its own words.

`adapters` has the real ones, `tests/fakes` working fakes.

Every method raises the errors of `model.errors` named in its docstring and no foreign ones. Times
are seconds.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dockcfgd.migration.access import Access
    from dockcfgd.model.cargo import Cargo, FirstCopy
    from dockcfgd.model.desired import Json
    from dockcfgd.model.facts import AccountKind, Folder, Program, Route
    from dockcfgd.model.files import FileState, Tag
    from dockcfgd.model.host import UnitFile, UnitState
    from dockcfgd.model.images import MadeImage
    from dockcfgd.model.kept import Freed
    from dockcfgd.model.probes import CommandEnd, Endpoint
    from dockcfgd.model.processes import Process
    from dockcfgd.model.roots import LeftBehind, RootMove, RootSurvey
    from dockcfgd.model.systemd import JobResult, JobVerb, JournalLine
    from dockcfgd.model.unit_complaint import UnitComplaint
    from dockcfgd.model.vitals import Interface, Kernel, Mount, Owner, Space, Usage

__all__ = [
    "Calendar",
    "Carrier",
    "Clock",
    "Containers",
    "Engine",
    "Files",
    "FolderArchives",
    "Images",
    "Networks",
    "PackedFolder",
    "PackedLayer",
    "Probes",
    "Processes",
    "Progressing",
    "ReloadEvents",
    "Roots",
    "Staging",
    "Surroundings",
    "Systemd",
    "UnitChecker",
    "Validator",
    "Vitals",
]


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, counted by the machine from its boot."""

    def boot(self) -> str:
        """Give a name of this boot of the machine."""

    def sleep(self, seconds: float) -> None:
        """Wait; the daemon's clock attends to its watchdog meanwhile."""


class Files(Protocol):
    """Files and folders of the host. All methods raise FileFailure where the kernel refuses."""

    def read(self, path: str, *, limit: int = 16 * 1024 * 1024) -> FileState:
        """Look at `path`, links followed, without blocking on what is no regular file.

        FileFailure above `limit` bytes.
        """

    def replace(
        self,
        path: str,
        content: bytes,
        *,
        expected: Sequence[Tag],
        fresh: Tag,
        attributes: Mapping[str, bytes] = MappingProxyType({}),
        exact: bool = False,
    ) -> Tag:
        """Put `content` at `path` atomically and durably.

        Owner, mode and xattrs of a file that is there stay; with `exact` they become those given.

        A link is followed and its target replaced. Only if the file there has one of the `expected`
        tags, else StaleFile. A new file gets owner and mode of `fresh` and the extended
        `attributes`; missing folders are made (0755). Returns the new tag.
        """

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None:
        """Remove the file durably, if it has one of the `expected` tags, else StaleFile.

        Nothing there is fine.
        """

    def attributes(self, path: str) -> dict[str, bytes]:
        """Give the extended attributes of the file that `path` leads to; none where it is not."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the sorted names in a folder, empty where there is none."""

    def free_bytes(self, folder: str) -> int:
        """Give the bytes that may still be written to the filesystem of `folder`.

        Where it is missing, its nearest parent counts.
        """

    def free_inodes(self, folder: str) -> int | None:
        """Give how many files may still be made there; None where the filesystem has no limit."""

    def shares_blocks(self, folder: str) -> bool:
        """Whether copies of a file in `folder` can share its blocks; False where nobody can say."""


class Systemd(Protocol):
    """What systemd's manager does.

    All methods raise SystemdFailure when it refuses or does not answer in time.
    """

    def unit(self, name: str) -> UnitState:
        """Give the unit's state, loading it if need be.

        `load_state` is not-found for one that does not exist.
        """

    def reload_units(self) -> None:
        """Read the unit files again (daemon-reload); returns when that is done."""

    def run_job(self, verb: JobVerb, unit: str, *, timeout: float, going: float = 0.0) -> JobResult:
        """Queue a job, wait for its end.

        A job still running at `timeout` is cancelled and its result `timeout`. With `going` that
        time begins when the unit's present process has gone, for which it has `going` seconds.
        """

    def reset_failed(self, unit: str) -> None:
        """Forget failures and the count against the start limit.

        A unit that is not loaded is fine.
        """

    def processes(self) -> tuple[Process, ...]:
        """Give the host's processes: number, name, arguments and control group of each."""

    def kill(self, unit: str) -> None:
        """Send SIGKILL to all processes of a unit.

        One that is not loaded, or has none, is fine.
        """

    def stopping(self) -> bool:
        """Whether systemd is shutting the machine down."""

    def last_line(self, unit: str, *, invocation: str) -> str:
        """Give the last journal line of the unit's process itself, of one invocation if given.

        Empty if none is found.
        """

    def killed(self, unit: str, *, invocation: str) -> bool:
        """Whether SIGKILL of somebody else, or want of memory, ended that run of the unit.

        False where the journal does not tell.
        """

    def started_since(self, unit: str, *, since: float) -> bool | None:
        """Whether a start of the unit came to its end well since a moment, in whichever boot.

        None where the journal does not tell.
        """

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:
        """Give the last journal lines of the unit's process itself since a moment, oldest first."""


class ReloadEvents(Protocol):
    """The engine's `daemon reload` events from the moment of subscription on."""

    def next(self, *, timeout: float) -> Mapping[str, str] | None:
        """Wait for one event and give its attributes.

        None at `timeout` or when the engine went away.
        """


class Engine(Protocol):
    """The Docker engine's state, over its API.

    Raises EngineFailure when it does not answer or refuses.
    """

    def ping(self) -> str:
        """Give the API version that the engine offers; the fastest proof that it serves.

        Never wakes a stopped engine.
        """

    def info(self) -> dict[str, Json]:
        """Give the /info document."""

    def counts(self) -> tuple[int, int]:
        """Give the numbers of volumes and of user-made networks."""

    def reload_events(self) -> AbstractContextManager[ReloadEvents]:
        """Subscribe to `daemon reload` events; in force when the context is entered."""


class Containers(Protocol):
    """The engine's containers.

    Documents are the API's own, of the negotiated version. Raises EngineFailure.
    """

    def list(self) -> list[dict[str, Json]]:
        """Give all containers, stopped ones too, as `GET /containers/json?all=1` does."""

    def inspect(self, container: str) -> dict[str, Json]:
        """Give a container's inspect document."""

    def create(self, name: str, body: Mapping[str, Json]) -> str:
        """Create a container, give its ID."""

    def start(self, container: str) -> None:
        """Start a container; one that runs is fine."""

    def stop(self, container: str) -> None:
        """Stop a container with its own stop timeout; one that is stopped is fine."""

    def pause(self, container: str) -> None:
        """Pause a running container."""

    def unpause(self, container: str) -> None:
        """Let a paused container go on; one that is not paused is fine."""

    def remove(self, container: str) -> None:
        """Remove a container by force, its volumes never. One that is gone is fine."""

    def commit(self, container: str, *, repository: str, tag: str) -> str:
        """Make an image of a container's writable layer and configuration without pausing it.

        Gives its ID.
        """

    def changed(self, container: str) -> bool:
        """Whether the writable layer differs from the image."""

    def written(self, container: str) -> int:
        """Give the bytes of the writable layer, as the engine counts them."""


class Images(Protocol):
    """The engine's images. Raises EngineFailure."""

    def list(self) -> list[dict[str, Json]]:
        """Give all images that have a tag or are used, as `GET /images/json` does."""

    def inspect(self, image: str) -> dict[str, Json]:
        """Give an image's inspect document."""

    def history(self, image: str) -> Sequence[dict[str, Json]]:
        """Give an image's history, the newest entry first, as `GET /images/NAME/history` does."""

    def configs(self) -> Mapping[str, str]:
        """Give the ID that each image has on a graph driver, by its own.

        Nothing where the engine is on one, or containerd cannot be asked.
        """

    def save(self, references: Sequence[str]) -> AbstractContextManager[Iterator[bytes]]:
        """Stream one archive of all `references` (tags or IDs) as `docker save` writes it."""

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an uncompressed archive as `docker load` does.

        EngineFailure also for an error inside the answer's stream.
        """

    def tag(self, image: str, *, repository: str, tag: str) -> None:
        """Give an image a name."""

    def untag(self, reference: str) -> None:
        """Remove a name (and the image, when it was the last name and nothing uses it).

        One that is gone is fine.
        """


class Networks(Protocol):
    """The engine's networks and volumes. Raises EngineFailure."""

    def volumes(self) -> list[dict[str, Json]]:
        """Give all volumes as `GET /volumes` does."""

    def list(self) -> list[dict[str, Json]]:
        """Give all networks as `GET /networks` does."""

    def create(self, body: Mapping[str, Json]) -> str:
        """Create a network, give its ID."""

    def connect(self, network: str, body: Mapping[str, Json]) -> None:
        """Connect a container that has not started yet."""

    def create_volume(self, body: Mapping[str, Json]) -> None:
        """Create a volume; one that is there with the same driver is fine."""


class PackedFolder(Protocol):
    """A folder that is being packed."""

    def chunks(self) -> Iterator[bytes]:
        """Give the archive, once."""

    def steady(self) -> bool:
        """Whether no file changed while it was read; to be asked after the last chunk."""


class PackedLayer(PackedFolder, Protocol):
    """A writable layer that is being packed."""

    def image(self) -> MadeImage:
        """Give the IDs of the image that the archive has; to be asked after the last chunk."""

    def left_out(self) -> tuple[str, ...]:
        """Give what an archive cannot have, a line each; to be asked after the first chunk."""


class FolderArchives(Protocol):
    """The whole content of a folder of the host as a plain tar archive.

    Owners, modes, times, links, devices, extended attributes, ACLs and holes are in it; sockets and
    other filesystems below are not. Raises FileFailure, and SystemdFailure where no program can be
    run.
    """

    def size(self, folder: str) -> int:
        """Give the bytes that its files take on disk."""

    def pack(self, folder: str) -> AbstractContextManager[PackedFolder]:
        """Stream the archive of a folder; FileFailure where something in it cannot be read."""

    def pack_layer(
        self, root: str, *, driver: str, container: str, image: str, name: str = ""
    ) -> AbstractContextManager[PackedLayer]:
        """Stream what a container has written, as an archive of an image above its own.

        For `docker load`, which gives it the name. Nothing comes where it has written nothing,
        which it must not do meanwhile. The engine with data-root `root` may be on another `driver`
        by now.
        """

    def unpack(self, folder: str, archive: Iterable[bytes]) -> tuple[str, ...]:
        """Put an archive's content in the place of an empty folder, when all of it has come.

        Gives what attributes its filesystem did not take, a line each, of many the last ones. An
        error of `archive` passes. FileFailure where the folder is not empty any more.
        """


class Probes(Protocol):
    """What is tried from the host itself, whose network and files dockcfgd's own unit lacks.

    Both methods raise SystemdFailure where nothing can be tried.
    """

    def answering(self, endpoints: Sequence[Endpoint]) -> frozenset[Endpoint]:
        """Give those that take a TCP connection within a second and do not drop it at once."""

    def run(self, command: str, *, timeout: float) -> CommandEnd:
        """Run a command of the shell as root, and end it at `timeout`."""


class Processes(Protocol):
    """The processes of the host."""

    def list(self) -> tuple[Process, ...]:
        """Give those of this PID namespace and the ones below it, as far as this user sees them."""


class Staging(Protocol):
    """A second engine of the installed kind, which runs no container and has no network.

    It has images and containers of its own in a folder, or, on a snapshotter, in the store of
    containerd that the engine will use. Methods raise SystemdFailure, FileFailure and EngineFailure
    where it cannot be had.
    """

    def root(self, folder: str, *, driver: str) -> str:
        """Give the folder in which such an engine keeps its layers."""

    def engine(
        self, folder: str, *, driver: str, options: Sequence[str]
    ) -> AbstractContextManager[Access]:
        """Start it on a storage driver with `storage-opts`, and stop it when the context ends.

        On a snapshotter EngineFailure, with nothing done, where containerd's store has anything
        that this folder's engine did not bring there.
        """

    def adopt(self, driver: str, containers: Mapping[str, str]) -> None:
        """Give containers layers in containerd, each beside that of its stand-in.

        Where `driver` is a graph driver that is not needed, and nothing is done.
        """

    def remove(self, folder: str) -> None:
        """Stop it where it runs, and remove its folder. Nothing there is fine."""

    def take_back(self, folder: str, *, driver: str) -> None:
        """Do what `remove` does, and take out of containerd all that it brought to `driver`.

        Nothing that was there before it. The engine is not on `driver`.
        """


class Carrier(Protocol):
    """Work on the folders of storage drivers, which needs more rights than dockcfgd has."""

    def obstacle(self, root: str, driver: str, containers: Sequence[str]) -> str:
        """Say why the writable layers of containers cannot be read there; empty where they can."""

    def copy_ahead(self, copy: FirstCopy, *, progress: Progressing) -> None:
        """Copy what `carry` need not read again if it does not change, while the engine serves.

        On return what the staging engine has is durable. FileFailure or SystemdFailure.
        """

    def carry(self, cargo: Cargo, *, progress: Progressing) -> None:
        """Copy the layers, byte for byte, and give each stand-in the container's ID.

        While both engines are stopped. Doing it again ends where doing it once does. Raises
        HostChanged where an image or container came to `root` that is not part of the cargo, and
        FileFailure or SystemdFailure where it cannot be done.
        """


class Roots(Protocol):
    """Work on data-roots, which may lie where dockcfgd itself may not write.

    Each method but `survey` may be done again after a crash. FileFailure, SystemdFailure.
    """

    def survey(self, move: RootMove) -> RootSurvey:
        """Look at a data-root and the place that it is to be moved to. Nothing is written."""

    def copy_live(self, move: RootMove, *, progress: Progressing) -> None:
        """Copy while the engine serves, until little changes meanwhile.

        Only into an empty place, a copy of the same data-root, or a data-root that was left.
        StepFailed where a file cannot be what it would have to be there.
        """

    def copy_rest(self, move: RootMove, *, progress: Progressing) -> None:
        """Copy what has changed since; then the target is the same. While the engine is stopped."""

    def discard(self, move: RootMove) -> None:
        """Remove what the copies of this move made; nothing else is ever removed."""

    def rename(self, move: RootMove) -> None:
        """Give the folder its other path. While the engine is stopped."""

    def rename_back(self, move: RootMove) -> None:
        """Undo `rename`, however far it came."""

    def remove_left(self, left: LeftBehind, *, progress: Progressing) -> None:
        """Remove a data-root that was left, and nothing of the one that is used since.

        An exception out of `progress` ends it.
        """


class Freeing(Protocol):
    """Deleting what storage drivers made, which needs more rights than dockcfgd has."""

    def free(self, folders: Sequence[str], *, progress: Progressing) -> Freed:
        """Delete folders with all that is in them; those that are not there are fine.

        What has something mounted in it stays, and so does what is on another filesystem. An
        exception out of `progress` ends it; doing it again goes on. SystemdFailure and FileFailure
        where it cannot be done at all.
        """

    def clear_store(self, snapshotter: str) -> None:
        """Remove all images and layers that the engine left in containerd's store.

        The engine is not on `snapshotter`. EngineFailure where containerd does not answer.
        """


class Progressing(Protocol):
    """Where a long step reports how far it is; a call costs little."""

    def __call__(self, *, item: str, done: int, total: int, unit: str) -> None:
        """Report `done` of `total` `unit`s, `item` being in work."""


class Calendar(Protocol):
    """Calendar expressions as systemd.time(7) has them."""

    def next_after(self, expression: str, moment: float) -> float | None:
        """Give when the expression next elapses after `moment`, in whole seconds since 1970.

        None for never again. Raises CalendarFailure where it is not understood or cannot be read.
        """


class Validator(Protocol):
    """The installed engine's own check of a daemon.json."""

    def check(self, binary: str, flags: Sequence[str], content: bytes) -> tuple[str, ...] | None:
        """Run `dockerd --validate` on a copy of `content`, give its complaints (none: accepted).

        None: this engine has no such check. FileFailure where the copy cannot be written.
        """

    def version(self, binary: str) -> str:
        """Give the version of the dockerd at `binary`, empty where it cannot be run."""


class Surroundings(Protocol):
    """What kernel, filesystems, accounts and programs offer the engine.

    Nothing is written and nothing raised: what cannot be seen counts as not there.
    """

    def filesystems(self) -> frozenset[str]:
        """Give the filesystems that the running kernel has or can load."""

    def folder(self, path: str) -> Folder:
        """Look at a folder and its filesystem, or at the nearest parent that is there."""

    def program(self, name: str) -> Program:
        """Look for a program by its path, or by its name where dockerd would look."""

    def opens(self, device: str) -> bool:
        """Whether a device can be opened for reading and writing."""

    def has_account(self, kind: AccountKind, name: str) -> bool:
        """Whether there is a user or group of this name or number."""

    def routes(self) -> tuple[Route, ...]:
        """Give the networks that the host has routes to, IPv4 and IPv6, default routes left out."""


class UnitChecker(Protocol):
    """systemd's own check of a drop-in."""

    def check(
        self, unit_files: Sequence[UnitFile], name: str, drop_in: bytes
    ) -> tuple[UnitComplaint, ...] | None:
        """Judge a copy of a drop-in called `name` beside the unit's file and other drop-ins.

        Gives what systemd says of it (nothing: taken); None where there is no such check.
        FileFailure where the copy cannot be written.
        """


class Vitals(Protocol):
    """What a host is measured by.

    Nothing is written and nothing raised: what cannot be seen is None, or not among the answers.
    """

    def space(self, path: str) -> Space | None:
        """Measure the filesystem of a folder, or of its nearest parent that is there."""

    def usage(self, paths: Sequence[str], *, seconds: float) -> Usage | None:
        """Add up what is below some folders on their own filesystem, for so long at most.

        None where one of them may not be read.
        """

    def mounts(self) -> tuple[Mount, ...]:
        """Give the mounts of this process's namespace."""

    def interfaces(self) -> tuple[Interface, ...]:
        """Give the network interfaces, the loopback left out."""

    def kernel(self) -> Kernel:
        """Look at the kernel."""

    def owner(self, path: str) -> Owner | None:
        """Say whose a path is; its kind is `absent` where there is nothing. None: not for us."""
