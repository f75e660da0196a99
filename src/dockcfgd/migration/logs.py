"""What a container has logged, for the one that is made in its place.

Only drivers that keep files of their own in the container's folder have such: json-file and local.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.file_failures import file_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["carry_logs", "give_logs", "link_logs"]

_CONTAINERS = "containers"
_LOCAL = "local-logs"
_PART = ".part"


def carry_logs(root: str, *, before: str, now: str) -> None:
    """Give container `now`, which was never started, the logs of `before` in the same data-root.

    What is there already stays, so that doing it again goes on. Nothing is done where the folder of
    `before` is not there, as on another host. FileFailure.
    """
    if before != now:
        _put(Path(root, _CONTAINERS, before), root, before=before, now=now, way=_copy)


def link_logs(root: str, *, container: str, folder: Path) -> None:
    """Give what a container has logged a second name in `folder`, of the same filesystem.

    It costs no room, and has what is logged up to the container's end. Doing it again has the files
    of then. FileFailure, also where there can be no such names.
    """
    source = Path(root, _CONTAINERS, container)
    for path in _files(source, container):
        _link_anew(path, folder / path.relative_to(source))


def give_logs(folder: Path, root: str, *, before: str, now: str) -> None:
    """Do what `carry_logs` does out of a folder of `link_logs`, with no copy where that can be."""
    _put(folder, root, before=before, now=now, way=_link_or_copy)


def _put(
    source: Path, root: str, *, before: str, now: str, way: Callable[[Path, Path], None]
) -> None:
    target = Path(root, _CONTAINERS, now)
    if not source.is_dir() or not target.is_dir():
        return
    for path in _files(source, before):
        way(path, target / str(path.relative_to(source)).replace(before, now, 1))


def _files(folder: Path, container: str) -> Iterator[Path]:
    for path in sorted([*folder.glob(f"{container}-json.log*"), *(folder / _LOCAL).glob("*")]):
        if path.is_file() and path.suffix != _PART:
            yield path


def _link_anew(source: Path, target: Path) -> None:
    part = target.with_name(target.name + _PART)
    # The engine may have given it another name since it was seen.
    with file_failures("keep the log in", target), contextlib.suppress(FileNotFoundError):
        if target.exists() and target.samefile(source):
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part.hardlink_to(source)
        part.replace(target)


def _link_or_copy(source: Path, target: Path) -> None:
    with file_failures("put the log to", target):
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            target.hardlink_to(source)
        except FileExistsError:
            return
        except OSError:
            # Where the data-root was copied to another filesystem.
            _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + _PART)
    if target.exists() or not source.is_file():
        return
    with file_failures("copy the log to", target):
        try:
            status = source.stat()
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with source.open("rb") as log, part.open("wb") as copy:
                _fill(log.fileno(), copy.fileno(), status.st_size)
                os.fchown(copy.fileno(), status.st_uid, status.st_gid)
                os.fchmod(copy.fileno(), status.st_mode & 0o7777)
                os.fsync(copy.fileno())
            part.replace(target)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _fill(source: int, target: int, size: int) -> None:
    """Copy, with the blocks shared where the filesystem can."""
    left = size
    while left > 0:
        done = os.copy_file_range(source, target, left)
        if done == 0:
            return
        left -= done
