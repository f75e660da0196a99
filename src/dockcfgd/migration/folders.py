"""Moving a storage driver's data out of data-root and back, while the engine is stopped.

Everything is a rename inside data-root. `moves.json` in the folder is on disk before the first of
them, so that what is half done can be finished or undone at any time, by this module alone: it
needs the standard library only, as the way back must work before anything else does.

    FOLDER/moves.json                     what belongs here, relative to data-root
    FOLDER/<driver>                       layers and writable layers
    FOLDER/image/<driver>                 images, their names and layer chains
    FOLDER/containers/<id>                the containers of this driver
    FOLDER/buildkit                       the build cache, which refers to one driver's layers

A path of the list that is in FOLDER was moved; one that is not was not, or is back already.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["move_back", "obstacle", "put_back", "set_aside"]

_RECORD = "moves.json"
_TRASH = ".trash"
_BUILD_CACHE = "buildkit"
_CONTAINERS = "containers"


def obstacle(root: str, driver: str) -> str:
    """Say why `set_aside` could not move what `driver` has in `root`; empty where it can."""
    for path in _belongings(Path(root), driver):
        where = Path(root, path)
        if where.is_symlink() or os.path.ismount(where):
            return f"{where} is a link or a mount of its own and cannot be moved aside"
    return ""


def set_aside(root: str, driver: str, folder: str) -> None:
    """Move what `driver` has in data-root `root` to `folder`, which lies in `root`.

    Doing it again finishes what was begun. FileFailure where the kernel refuses; then some of it
    may be moved, and `put_back` undoes that.
    """
    top, aside = Path(root), Path(folder)
    recorded = _record(aside)
    if recorded is None:
        recorded = list(_belongings(top, driver))
        _write_record(aside, recorded)
    for path in recorded:
        if not _exists(aside / path) and _exists(top / path):
            _rename(top / path, aside / path)
    _sync(top, aside)


def put_back(root: str, driver: str, folder: str) -> None:
    """Throw away what `driver` has in `root` now and move everything in `folder` back.

    Without a `set_aside` into `folder`, or after a `put_back` that ended, nothing is done.
    """
    move_back(root, driver, folder)
    _delete(_trash(Path(folder)))


def move_back(root: str, driver: str, folder: str) -> None:
    """Do what `put_back` does, but only move away what is to be thrown away, which is quick.

    A later `put_back` deletes it, also while the engine runs.
    """
    top, aside = Path(root), Path(folder)
    recorded = _record(aside)
    if recorded is not None:
        rubbish = _Rubbish(_trash(aside))
        for path in _newcomers(top, driver, recorded):
            rubbish.take(top / path)
        for path in recorded:
            if _exists(aside / path):
                rubbish.take(top / path)
                _rename(aside / path, top / path)
        _sync(top, aside)
        with _translated("remove", aside / _RECORD):
            (aside / _RECORD).unlink()
        _sync_folder(aside)
    _remove_empty(aside)


def _trash(aside: Path) -> Path:
    return aside.with_name(aside.name + _TRASH)


def _belongings(top: Path, driver: str) -> Iterator[str]:
    """Give the paths of what a driver has now."""
    for path in (driver, f"image/{driver}", _BUILD_CACHE):
        if _exists(top / path):
            yield path
    yield from _containers_of(top, driver)


def _newcomers(top: Path, driver: str, recorded: list[str]) -> list[str]:
    """Give what the driver has now that was not there to be moved.

    The build cache is in a list only if it was moved; else it belongs to another driver.
    """
    listed = {*recorded, _BUILD_CACHE}
    return [path for path in _belongings(top, driver) if path not in listed]


def _containers_of(top: Path, driver: str) -> Iterator[str]:
    with _translated("list", top / _CONTAINERS):
        folders = sorted((top / _CONTAINERS).glob("*")) if _exists(top / _CONTAINERS) else []
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((folder / "config.v2.json").read_bytes())
            if isinstance(document, dict) and document.get("Driver") == driver:
                yield f"{_CONTAINERS}/{folder.name}"


def _record(aside: Path) -> list[str] | None:
    where = aside / _RECORD
    try:
        paths = json.loads(where.read_bytes())["paths"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure("read", where, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileFailure(what="read", path=str(where), errno=0, why="no list of moves") from error
    return [str(path) for path in paths]


def _write_record(aside: Path, paths: list[str]) -> None:
    where = aside / _RECORD
    part = where.with_suffix(".part")
    with _translated("write", where):
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("w") as file:
            json.dump({"paths": paths}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(where)
    _sync_folder(aside)
    _sync_folder(aside.parent)


class _Rubbish:
    """Where things go that are to be deleted: a rename is done at once, a deletion is not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, path: Path) -> None:
        if not _exists(path):
            return
        with _translated("make", self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            number = len(list(self._folder.iterdir()))
        _rename(path, self._folder / f"{number}-{path.name}")


def _rename(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    except OSError as error:
        what = f"move {source} to"
        reasons = {
            errno.EXDEV: "they lie on different filesystems or mounts",
            errno.EBUSY: "something is mounted on it",
        }
        why = reasons.get(error.errno or 0, error.strerror or str(error))
        raise FileFailure(what=what, path=str(target), errno=error.errno or 0, why=why) from error


def _delete(trash: Path) -> None:
    """Delete what is no longer needed; what cannot be deleted stays there, out of the way.

    Left alone too where something is mounted in it, as after a crash of the engine: deleting would
    go on in there. To stay on one filesystem would leave btrfs subvolumes.
    """
    if _exists(trash) and not _mounted_below(trash):
        command = ["/bin/rm", "-rf", "--", str(trash)]
        with contextlib.suppress(OSError):
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _mounted_below(folder: Path) -> bool:
    with _translated("read", Path("/proc/self/mountinfo")):
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4].startswith(f"{folder}/") for line in lines)


def _remove_empty(aside: Path) -> None:
    for path in (aside / "image", aside / _CONTAINERS, aside):
        with contextlib.suppress(OSError):
            path.rmdir()


def _exists(path: Path) -> bool:
    with _translated("look at", path):
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        return True


def _sync(*tops: Path) -> None:
    for top in tops:
        for path in (top, top / "image", top / _CONTAINERS):
            if _exists(path):
                _sync_folder(path)


def _sync_folder(path: Path) -> None:
    with _translated("sync", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _translated(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(what, path, error) from error


def _failure(what: str, path: Path, error: OSError) -> FileFailure:
    why = error.strerror or str(error)
    return FileFailure(what=what, path=str(path), errno=error.errno or 0, why=why)
