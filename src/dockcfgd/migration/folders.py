"""Moving a storage driver's data out of data-root and back, while the engine is stopped.

Everything is a rename inside data-root. `moves.json` in the folder is on disk before the first of
them, so that what is half done can be finished or undone at any time, by this module alone: it
needs the standard library only, as the way back must work before anything else does.

    FOLDER/moves.json                     what belongs here, relative to data-root
    FOLDER/configs/<id>.json              a container's file as it was under another driver
    FOLDER/configs/<id>.host              and the one of what it was created with
    FOLDER/<driver>                       layers and writable layers
    FOLDER/image/<driver>                 images, their names and layer chains
    FOLDER/containers/<id>                the containers of this driver
    FOLDER/buildkit                       the build cache, which refers to one driver's layers

`return_to` notes there too what it gives back out of an earlier FOLDER, and which containers it
made again.

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

from dockcfgd.model.drivers import engine_name
from dockcfgd.model.errors import FileFailure
from dockcfgd.mount_points import mount_points
from dockcfgd.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "CARRIED",
    "belongings",
    "discard",
    "forbid_return",
    "forget_older",
    "give_up",
    "move_back",
    "obstacle",
    "put_back",
    "put_in_place",
    "remade",
    "return_to",
    "saved_configs",
    "set_aside",
]

CARRIED = "carried.json"

_RECORD = "moves.json"
_CONFIGS = "configs"
_TRASH = ".trash"
_BUILD_CACHE = "buildkit"
_CONTAINERS = "containers"
# What is set aside, and what a staging engine made, lies in there.
_OWN = "dockcfgd"


def obstacle(root: str, driver: str) -> str:
    """Say why what `driver` has in `root` could not be renamed to a folder there or back.

    With the way out; empty where it can, as far as links and mounts are concerned.
    """
    for path in (_OWN, "image", _CONTAINERS, *_belongings(Path(root), driver)):
        where = Path(root, path)
        if where.is_symlink() or os.path.ismount(where):
            return (
                f"{where} is a link or a mount of its own, and the data of drivers is moved by"
                f" renames inside {root}; stop the engine, unmount it or remove the link, and copy"
                " what is worth keeping to a plain folder in its place"
            )
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


def put_in_place(root: str, driver: str, folder: str, staging: str) -> None:
    """Move what `staging` has of `driver` into `root`, and give its containers that driver.

    After a `set_aside` of the driver's older data into `folder`; `put_back` undoes both. Which
    containers are meant says CARRIED in `staging`. Doing it again finishes what was begun.
    """
    top, aside, source = Path(root), Path(folder), Path(staging)
    containers = _listed(source / CARRIED, "containers")
    images = _mapped(source / CARRIED, "images")
    _save_configs(top, aside, containers)
    for path in (driver, f"image/{driver}"):
        if _exists(source / path):
            _rename(source / path, top / path)
    _sync(top, source)
    # All containers are down meanwhile: syncs asked for together cost little more than one.
    side_by_side(
        lambda identity: _give_driver(_config(top, identity), driver, images.get(identity, {})),
        containers,
    )


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
        _take_back_given(top, aside, rubbish)
        _restore_configs(top, aside)
        staying = _listed(aside / _RECORD, "staying", none=True)
        for path in _newcomers(top, driver, [*recorded, *staying]):
            rubbish.take(top / path)
        for path in recorded:
            if _exists(aside / path):
                rubbish.take(top / path)
                _rename(aside / path, top / path)
        _sync(top, aside)
        with _translated("remove", aside / _RECORD):
            for saved in (aside / _CONFIGS).glob("*"):
                saved.unlink()
            (aside / _RECORD).unlink()
        _sync_folder(aside)
    _remove_empty(aside)


def return_to(root: str, driver: str, folder: str, *, kept: str, moved: bool) -> None:
    """Move what `driver` has in `root` to `folder`, and give back what was there before it.

    The files of containers of then are in the folder `kept`, and with `moved` all that belongs to
    the driver of then; else only its build cache is. A container that was removed since gets a
    folder again. Doing it again finishes what was begun; `put_back` undoes it.
    """
    top, aside, source = Path(root), Path(folder), Path(kept)
    containers = saved_configs(kept)
    if _record(aside) is None:
        theirs = _record(source) or []
        given = theirs if moved else [path for path in theirs if path == _BUILD_CACHE]
        staying = [f"{_CONTAINERS}/{identity}" for identity in containers]
        made = [one for one in containers if not _exists(_config(top, one).parent)]
        paths = [path for path in _belongings(top, driver) if path not in staying]
        more = {"from": kept, "given": given, "made": made, "staying": staying}
        _write_record(aside, paths, more=more)
    _save_configs(top, aside, [one for one in containers if _exists(_config(top, one))])
    for path in _record(aside) or []:
        if not _exists(aside / path) and _exists(top / path):
            _rename(top / path, aside / path)
    for path in _listed(aside / _RECORD, "given"):
        if _exists(source / path):
            _rename(source / path, top / path)
    _sync(top, aside)
    for identity in containers:
        # An older release saved only one of the files, which is not all that a container is.
        if _exists(_config(top, identity)) or _exists(source / _CONFIGS / f"{identity}.host"):
            _restore_config(top, source, identity)


def remade(folder: str) -> list[str]:
    """Give the containers that a `return_to` into `folder` made again."""
    record = Path(folder) / _RECORD
    return _listed(record, "made", none=True) if _exists(record) else []


def saved_configs(folder: str) -> list[str]:
    """Give the containers whose files `put_in_place` or `return_to` saved in `folder`."""
    where = Path(folder) / _CONFIGS
    if not _exists(where):
        return []
    with _translated("list", where):
        return sorted(path.stem for path in where.glob("*.json"))


def belongings(root: str, driver: str) -> list[str]:
    """Give the paths in `root` of what a driver has, the build cache left out."""
    return [path for path in _belongings(Path(root), driver) if path != _BUILD_CACHE]


def give_up(root: str, driver: str, folder: str) -> None:
    """Move what `driver`, which is not in use, has in `root` to where `folder` has its trash.

    Nothing is put back out of `folder` any more. Doing it again goes on.
    """
    top, aside = Path(root), Path(folder)
    forbid_return(folder)
    rubbish = _Rubbish(_trash(aside))
    for path in belongings(root, driver):
        rubbish.take(top / path)
    _sync(top)


def forbid_return(folder: str) -> None:
    """Let nothing be put back out of `folder` any more."""
    where = Path(folder) / _RECORD
    with _translated("remove", where):
        where.unlink(missing_ok=True)


def discard(folder: str) -> None:
    """Delete a folder. What cannot be deleted, or has something mounted in it, stays."""
    _delete(Path(folder))


def forget_older(folder: str) -> None:
    """Delete what earlier calls of `set_aside` moved to the neighbours of `folder`.

    May take long; ending in the middle does no harm. Nobody waits for it to be told what it could
    not look at or delete, which stays.
    """
    neighbours: list[Path] = []
    with contextlib.suppress(OSError):
        neighbours = sorted(Path(folder).parent.glob("*"))
    for neighbour in neighbours:
        if neighbour.name != Path(folder).name:
            # Without it nothing is ever put back from there.
            with contextlib.suppress(OSError):
                (neighbour / _RECORD).unlink(missing_ok=True)
            with contextlib.suppress(FileFailure):
                _delete(neighbour)


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
            if isinstance(document, dict) and document.get("Driver") == engine_name(driver):
                yield f"{_CONTAINERS}/{folder.name}"


def _config(top: Path, identity: str) -> Path:
    return top / _CONTAINERS / identity / "config.v2.json"


def _give_driver(where: Path, driver: str, image: Mapping[str, object]) -> None:
    """Give a container's file the driver, and what it says of its image where that is another."""
    try:
        document = json.loads(_read(where))
        if document["Driver"] == engine_name(driver):
            return
        document["Driver"] = engine_name(driver)
        document.update(image)
        for key in [key for key, value in image.items() if value is None]:
            del document[key]
    except (ValueError, KeyError, TypeError) as error:
        why = "it is no configuration of a container"
        raise FileFailure(what="read", path=str(where), errno=0, why=why) from error
    _write_like(where, json.dumps(document, separators=(",", ":")).encode(), like=where)


def _restore_configs(top: Path, aside: Path) -> None:
    """Give the containers the files that they had before `put_in_place`."""
    if not _exists(aside / _CONFIGS):
        return
    for identity in saved_configs(str(aside)):
        if _exists(_config(top, identity).parent):
            _restore_config(top, aside, identity)


def _restore_config(top: Path, aside: Path, identity: str) -> None:
    """Give a container its files as they were saved, and its folder where it has none."""
    for suffix, where in _files_of(top, identity):
        saved = aside / _CONFIGS / f"{identity}{suffix}"
        if _exists(saved):
            _write_like(where, _read(saved), like=saved)


def _save_configs(top: Path, aside: Path, identities: Sequence[str]) -> None:
    """Save containers' files as they are, once, durably; of each the one that says so is the last.

    By another name: whoever changes such a file puts a new one in its place, the engine too.
    """
    folder = aside / _CONFIGS
    if not identities:
        return
    with _translated("make", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for identity in identities:
        for suffix, where in _files_of(top, identity):
            saved = folder / f"{identity}{suffix}"
            if not _exists(saved) and _exists(where):
                _link(where, saved)
    for path in (folder, aside):
        _sync_folder(path)


def _link(where: Path, name: Path) -> None:
    try:
        os.link(where, name)
    except OSError:
        # A filesystem without, or a file that may not have more of them.
        _write_like(name, _read(where), like=where)


def _files_of(top: Path, identity: str) -> tuple[tuple[str, Path], ...]:
    config = _config(top, identity)
    return ((".host", config.with_name("hostconfig.json")), (".json", config))


def _take_back_given(top: Path, aside: Path, rubbish: _Rubbish) -> None:
    """Undo what `return_to` did beside the moves of `set_aside`."""
    record = aside / _RECORD
    given = _listed(record, "given", none=True)
    source = Path(json.loads(_read(record))["from"]) if given else top
    for path in given:
        if _exists(top / path) and not _exists(source / path):
            _rename(top / path, source / path)
    for identity in _listed(record, "made", none=True):
        rubbish.take(_config(top, identity).parent)


def _read(where: Path) -> bytes:
    with _translated("read", where):
        return where.read_bytes()


def _write_like(where: Path, content: bytes, *, like: Path) -> None:
    """Write a file, whole or not at all, with the owner and mode that another has."""
    part = where.with_name(f"{where.name}.part")
    with _translated("write", where):
        seen = like.stat()
        if not where.parent.exists():
            where.parent.mkdir(mode=0o700)
            _sync_folder(where.parent.parent)
        with part.open("wb") as file:
            os.fchown(file.fileno(), seen.st_uid, seen.st_gid)
            os.fchmod(file.fileno(), seen.st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(where)
    _sync_folder(where.parent)


def _record(aside: Path) -> list[str] | None:
    where = aside / _RECORD
    return _listed(where, "paths") if _exists(where) else None


def _listed(where: Path, key: str, *, none: bool = False) -> list[str]:
    try:
        document = json.loads(_read(where))
        paths = document.get(key, []) if none else document[key]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFailure(what="read", path=str(where), errno=0, why="no list of moves") from error
    return [str(path) for path in paths]


def _mapped(where: Path, key: str) -> dict[str, dict[str, object]]:
    """Give an object of objects that a document has, nothing where it has not."""
    try:
        found = json.loads(_read(where)).get(key, {})
        return {str(name): dict(value) for name, value in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        why = "not what was written there"
        raise FileFailure(what="read", path=str(where), errno=0, why=why) from error


def _write_record(
    aside: Path, paths: list[str], *, more: Mapping[str, object] | None = None
) -> None:
    where = aside / _RECORD
    part = where.with_suffix(".part")
    with _translated("write", where):
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("w") as file:
            json.dump({"paths": paths, **(more or {})}, file)
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
        return any(point.startswith(f"{folder}/") for point, _ in mount_points())


def _remove_empty(aside: Path) -> None:
    for path in (aside / "image", aside / _CONTAINERS, aside / _CONFIGS, aside):
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
