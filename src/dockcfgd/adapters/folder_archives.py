"""A folder's whole content as a tar archive, by GNU tar in a service of its own.

This daemon's service may neither read every attribute nor make devices. The archive passes through
a named pipe, so that it is never on disk uncompressed.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import select
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dockcfgd.file_failures import file_failures
from dockcfgd.layers import pack as layer_program
from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.model.errors import FileFailure, SystemdFailure
from dockcfgd.model.images import MadeImage
from dockcfgd.mount_points import mount_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from dockcfgd.adapters.containerd import Containerd
    from dockcfgd.adapters.systemd import ProgramEnd
    from dockcfgd.model.systemd import JournalLine

__all__ = ["Runs", "UnitFolderArchives"]

_CHUNK = 1024 * 1024
_LONGEST_SECONDS = 24 * 3600.0
_LOOK_SECONDS = 0.2
_BLOCK = 512
_CHANGED = 1  # of tar's exit statuses
_NEW = ".dockcfgd-new"
_LINES = 20
_WILD, _QUOTED = re.compile(r"([\\*?\[])"), r"\\\1"
_GONE = (FileNotFoundError, NotADirectoryError)
# What it says of attributes; those of btrfs (compression) belong to that filesystem.
_NOT_SET, _OF_ONE_FILESYSTEM = "Cannot set ", "'btrfs."
# What tar says after it has said what is wrong.
_PARTING = ("exiting now", "due to previous errors")

_AS_IT_IS = ("--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--force-local")
# In a locale of another encoding tar takes names for texts in it, and has them as UTF-8.
_TAR = ("/usr/bin/env", "LC_ALL=C", "/bin/tar")
_PACK = (*_TAR, "--create", "--format=posix", "--sparse", *_AS_IT_IS)
_UNPACK = (
    f'rm -rf -- "$2" && mkdir -m 0700 -- "$2" && exec {" ".join(_TAR)} --extract --file="$1"'
    ' --directory="$2" --same-owner --same-permissions --delay-directory-restore '
    + " ".join(f"'{option}'" for option in _AS_IT_IS)
)
# rename(2) replaces an empty folder in one, and refuses one that got something meanwhile.
_TAKE_PLACE = 'sync -f -- "$2" && mv -T -- "$2" "$1" && sync -f -- "$1"'
_REMOVE = 'rm -rf -- "$1"'


class Runs(Protocol):
    """What runs programs outside of this daemon's confinement (adapters.systemd.SystemdBus)."""

    def run_program(
        self, unit: str, arguments: Sequence[str], *, what: str, timeout: float, output: str = ""
    ) -> ProgramEnd:
        """Run a program up to its end."""

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:
        """Give the last lines that it said."""


class UnitFolderArchives:
    """ports.FolderArchives by systemd's transient units. `folder` is only root's to write to."""

    def __init__(self, runs: Runs, containerd: Containerd, folder: str) -> None:
        self._runs, self._containerd = runs, containerd
        self._folder = Path(folder)
        self._numbers = itertools.count(1)

    def size(self, folder: str) -> int:
        """Give the bytes that its files take on disk; what goes meanwhile counts nothing."""
        with file_failures("measure", folder):
            return sum(_sizes(folder))

    @contextlib.contextmanager
    def pack(self, folder: str) -> Iterator[_Packed]:
        """Stream the archive of a folder."""
        with self._pipe() as pipe:
            program = [*_PACK, *_without_mounts(folder), f"--file={pipe}"]
            program += [f"--directory={folder}", "."]
            with self._begun(program, f"the reading of {folder}") as running:
                packed = _Packed(running, folder, pipe)
                try:
                    yield packed
                finally:
                    packed.close()
                    _release(running, pipe)

    @contextlib.contextmanager
    def pack_layer(
        self, root: str, *, driver: str, container: str, image: str, name: str = ""
    ) -> Iterator[_PackedLayer]:
        """Stream what a container has written, as an archive of an image above its own."""
        with self._pipe() as pipe, self._documents(pipe, root, driver, image) as documents:
            config, *manifest = map(str, documents)
            program = [sys.executable, "-I", "-S", str(layer_program.__file__)]
            program += [root, driver, container, config, str(pipe), name]
            if driver in SNAPSHOTTERS:
                place, _ = self._containerd.place(driver, container)
                program += [json.dumps(place.document()), *manifest]
            with self._begun(program, f"the reading of container {container}") as running:
                packed = _PackedLayer(running, f"{root}/{driver}", pipe)
                try:
                    yield packed
                finally:
                    packed.close()
                    _release(running, pipe)
                    packed.forget()

    @contextlib.contextmanager
    def _documents(self, pipe: Path, root: str, driver: str, image: str) -> Iterator[list[Path]]:
        """Give the files with an image's configuration and, where there is one, its manifest."""
        if driver not in SNAPSHOTTERS:
            name = image.removeprefix("sha256:")
            yield [Path(root, "image", driver, "imagedb", "content", "sha256", name)]
            return
        manifest = self._containerd.manifest(image)
        copies = {
            pipe.with_name(f"{pipe.name}.config"): self._containerd.config(image),
            pipe.with_name(f"{pipe.name}.manifest"): manifest,
        }
        try:
            for copy, digest in copies.items():
                content = self._containerd.content(digest)
                with file_failures("write", str(copy)):
                    copy.write_bytes(content)
            yield list(copies)
        finally:
            for copy in copies:
                copy.unlink(missing_ok=True)

    def unpack(self, folder: str, archive: Iterable[bytes]) -> tuple[str, ...]:
        """Put an archive's content in the place of an empty folder, when all of it has come."""
        new = f"{folder}{_NEW}"
        try:
            with self._pipe() as pipe:
                program = ["/bin/sh", "-c", _UNPACK, "sh", str(pipe), new]
                with self._begun(program, f"the filling of {folder}") as running:
                    try:
                        _feed(running, pipe, archive)
                    except BaseException:
                        _release(running, pipe)
                        raise
                    running.judge("fill", folder)
                    lost = tuple(running.not_set())
            with self._begun(["/bin/sh", "-c", _TAKE_PLACE, "sh", folder, new], folder) as running:
                running.judge("fill", folder)
        except BaseException:
            with (
                contextlib.suppress(SystemdFailure),
                self._begun(["/bin/sh", "-c", _REMOVE, "sh", new], f"the removal of {new}"),
            ):
                pass
            raise
        return lost

    @contextlib.contextmanager
    def _pipe(self) -> Iterator[Path]:
        pipe = self._folder / f"archive-{os.getpid()}-{next(self._numbers)}.pipe"
        with file_failures("make", str(pipe)):
            os.mkfifo(pipe, 0o600)
        try:
            yield pipe
        finally:
            pipe.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _begun(self, program: Sequence[str], what: str) -> Iterator[_Running]:
        """Run a program beside what the block does; its end is awaited at the block's end."""
        unit = f"dockcfgd-archive-{os.getpid()}-{next(self._numbers)}.service"
        with ThreadPoolExecutor(1) as pool:
            end = pool.submit(
                self._runs.run_program, unit, program, what=what, timeout=_LONGEST_SECONDS
            )
            yield _Running(end, self._runs, unit)


class _Running:
    """A program at work."""

    def __init__(self, end: Future[ProgramEnd], runs: Runs, unit: str) -> None:
        self._end = end
        self._runs = runs
        self._unit = unit
        self._begun = time.time() - 1.0

    @property
    def ended(self) -> bool:
        return self._end.done()

    def judge(self, what: str, folder: str, *, fine: frozenset[int] = frozenset({0})) -> int:
        """Wait for its end and give its exit status; FileFailure for another than a `fine` one."""
        end = self._end.result()
        if end.status is not None and end.status in fine:
            return end.status
        said = self._runs.lines(self._unit, since=self._begun, most=_LINES)
        telling = [line.text for line in said if not line.text.endswith(_PARTING)]
        line = telling[-1] if telling else ""
        how = end.result if end.status is None else f"exit status {end.status}"
        raise FileFailure(what=what, path=folder, errno=0, why=line or how)

    def not_set(self) -> Iterator[str]:
        """Give what tar said that it could not set, which it takes for no failure."""
        for line in self._runs.lines(self._unit, since=self._begun, most=_LINES):
            _, what, of = line.text.partition(_NOT_SET)
            if what and not of.startswith(_OF_ONE_FILESYSTEM):
                yield what + of


class _Packed:
    """ports.PackedFolder."""

    def __init__(self, running: _Running, folder: str, pipe: Path) -> None:
        self._running = running
        self._folder = folder
        with file_failures("open", str(pipe)):
            self._descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._status = -1

    def chunks(self) -> Iterator[bytes]:
        """Give the archive; FileFailure where its end is not a good one."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        ended = False
        while True:
            # Before anybody has opened the other end, nothing tells of that.
            events = poll.poll(_LOOK_SECONDS * 1000)
            if events:
                chunk = self._read()
                if chunk:
                    yield chunk
                elif chunk is not None:
                    break
            elif ended:
                break
            ended = self._running.ended
        fine = frozenset({0, _CHANGED})
        self._status = self._running.judge("read", self._folder, fine=fine)

    def steady(self) -> bool:
        """Whether no file changed while it was read."""
        return self._status == 0

    def close(self) -> None:
        os.close(self._descriptor)

    def _read(self) -> bytes | None:
        with file_failures("read", self._folder):
            try:
                return os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return None


class _PackedLayer(_Packed):
    """ports.PackedLayer."""

    def __init__(self, running: _Running, folder: str, pipe: Path) -> None:
        super().__init__(running, folder, pipe)
        self._name = pipe.with_name(f"{pipe.name}.id")
        self._left = pipe.with_name(f"{pipe.name}.left")

    def image(self) -> MadeImage:
        """Give the IDs of the image that the archive has."""
        with file_failures("read", str(self._name)):
            return MadeImage(*self._name.read_text().split("\n"))

    def left_out(self) -> tuple[str, ...]:
        """Give what the archive leaves out."""
        with file_failures("read", str(self._left)):
            return tuple(json.loads(self._left.read_text())) if self._left.exists() else ()

    def forget(self) -> None:
        """Remove what the program wrote; once it has ended."""
        self._name.unlink(missing_ok=True)
        self._left.unlink(missing_ok=True)


def _feed(running: _Running, pipe: Path, archive: Iterable[bytes]) -> None:
    """Write an archive into the pipe of a program that reads it; its early end is no error here."""
    descriptor = _opened_for_writing(running, pipe)
    if descriptor is None:
        return
    with open(descriptor, "wb", buffering=0) as file, contextlib.suppress(BrokenPipeError):
        for chunk in archive:
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) or 0 :]


def _opened_for_writing(running: _Running, pipe: Path) -> int | None:
    """Open a pipe as soon as its reader has; None where the program ended before."""
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise FileFailure(
                    what="open", path=str(pipe), errno=error.errno or 0, why=str(error)
                ) from error
        else:
            os.set_blocking(descriptor, True)
            return descriptor
        if running.ended:
            return None
        time.sleep(_LOOK_SECONDS / 4)


def _release(running: _Running, pipe: Path) -> None:
    """Let a program that waits for the pipe's other end go on, into its end."""
    while not running.ended:
        # A reader that goes ends a writer, and a writer that goes ends a reader.
        with contextlib.suppress(OSError):
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        time.sleep(_LOOK_SECONDS / 4)


def _without_mounts(folder: str) -> Iterator[str]:
    """Give what leaves out what is mounted in a folder.

    Not --one-file-system, which leaves out subvolumes of btrfs too, as whoever may write to a
    folder can make them.
    """
    above = f"{os.path.realpath(folder)}/"
    for point in _mounted_below(above):
        yield f"--exclude=./{_WILD.sub(_QUOTED, point[len(above) :])}/*"


def _mounted_below(above: str) -> list[str]:
    """Give what is mounted below a real path that ends in a slash."""
    return [point for point, _ in mount_points() if point.startswith(above)]


def _sizes(folder: str) -> Iterator[int]:
    """Give the bytes that each thing in a folder takes on disk; what is mounted there is left out.

    OSError where folders are nested deeper than a path can say: tar could not put them back.
    """
    top = os.path.realpath(folder)
    mounted = frozenset(_mounted_below(f"{top}/"))
    waiting = [top]
    while waiting:
        with contextlib.suppress(*_GONE), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.path in mounted:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    yield _share(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _share(status: os.stat_result) -> int:
    """Give the bytes that count for one name: an archive has a file of many names once."""
    names = 1 if stat.S_ISDIR(status.st_mode) else max(1, status.st_nlink)
    return status.st_blocks * _BLOCK // names
