"""A data-root that gets another name on its filesystem, and its old one again.

While the engine is stopped. MARK in the folder says who renamed it, so that the way back is gone
only by what was renamed. Standard library only, for dockcfgd-recover.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.root_paths import mend
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARK", "only_folders", "rename_back", "rename_root"]

MARK = "dockcfgd/renamed.json"


def rename_root(source: str, target: str, name: str) -> None:
    """Give the folder `source` the path `target`, where nothing or only empty folders may be.

    Doing it again finishes what was begun. FileFailure where the kernel refuses; `rename_back`
    undoes what was done.
    """
    top, goal = Path(source), Path(target)
    if _mark(goal) != name:
        _write_mark(top, name)
        with _translated(f"move {source} to", goal):
            _remove_empty(goal)
            goal.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            top.rename(goal)
        _sync(goal.parent, top.parent)
    mend(target, before=source, after=target)


def rename_back(source: str, target: str, name: str) -> None:
    """Undo a `rename_root`, however far it came; without one nothing is done.

    What has come into being at `source` meanwhile is set aside under another name.
    """
    top, goal = Path(source), Path(target)
    if _mark(goal) == name:
        with _translated(f"move {target} to", top):
            _out_of_the_way(top, name)
            top.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            goal.rename(top)
        _sync(goal.parent, top.parent)
    if _mark(top) == name:
        mend(source, before=target, after=source)
        with _translated("remove", top / MARK):
            (top / MARK).unlink()
            _sync((top / MARK).parent)
            with contextlib.suppress(OSError):
                (top / MARK).parent.rmdir()


def only_folders(folder: Path) -> bool:
    """Whether there is nothing in a folder but folders."""
    return all(
        one.is_dir() and not one.is_symlink() and only_folders(one) for one in folder.iterdir()
    )


def _out_of_the_way(top: Path, name: str) -> None:
    if not os.path.lexists(top):
        return
    if top.is_dir() and only_folders(top):
        _remove_empty(top)
    else:
        top.rename(top.with_name(f"{top.name}.beside-{name}"))


def _remove_empty(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    for path, _, _ in os.walk(folder, topdown=False):
        Path(path).rmdir()


def _mark(root: Path) -> str:
    try:
        document = json.loads((root / MARK).read_bytes())
        return str(document["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write_mark(root: Path, name: str) -> None:
    where = root / MARK
    with _translated("write", where):
        where.parent.mkdir(mode=0o700, exist_ok=True)
        with where.open("w") as file:
            json.dump({"schema": 1, "name": name}, file)
            file.flush()
            os.fsync(file.fileno())
    _sync(where.parent, root)


def _sync(*folders: Path) -> None:
    for folder in folders:
        with _translated("sync", folder):
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


@contextlib.contextmanager
def _translated(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reasons = {
            errno.EXDEV: "they lie on different filesystems or mounts",
            errno.EBUSY: "something is mounted on it",
            errno.ENOTDIR: "there is something that is no folder",
        }
        why = reasons.get(error.errno or 0, error.strerror or str(error))
        raise FileFailure(what=what, path=str(path), errno=error.errno or 0, why=why) from error
