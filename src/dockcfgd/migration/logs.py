"""What a container has logged, for the one that is made in its place.

Only drivers that keep files of their own in the container's folder have such: json-file and local.
"""

from __future__ import annotations

import os
from pathlib import Path

from dockcfgd.model.errors import FileFailure

__all__ = ["carry_logs"]

_CONTAINERS = "containers"
_LOCAL = "local-logs"
_PART = ".part"


def carry_logs(root: str, *, before: str, now: str) -> None:
    """Give container `now`, which was never started, the logs of `before` in the same data-root.

    What is there already stays, so that doing it again goes on. Nothing is done where the folder of
    `before` is not there, as on another host. FileFailure.
    """
    source, target = Path(root, _CONTAINERS, before), Path(root, _CONTAINERS, now)
    if before == now or not source.is_dir() or not target.is_dir():
        return
    for path in sorted(source.glob(f"{before}-json.log*")):
        _copy(path, target / path.name.replace(before, now, 1))
    local = source / _LOCAL
    for path in sorted(local.glob("*")):
        _copy(path, target / _LOCAL / path.name)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + _PART)
    if target.exists() or not source.is_file():
        return
    try:
        status = source.stat()
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with source.open("rb") as log, part.open("wb") as copy:
            _fill(log.fileno(), copy.fileno(), status.st_size)
            os.fchown(copy.fileno(), status.st_uid, status.st_gid)
            os.fchmod(copy.fileno(), status.st_mode & 0o7777)
            os.fsync(copy.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise FileFailure(
            what="copy the log to", path=str(target), errno=error.errno or 0, why=why
        ) from error


def _fill(source: int, target: int, size: int) -> None:
    """Copy, with the blocks shared where the filesystem can."""
    left = size
    while left > 0:
        done = os.copy_file_range(source, target, left)
        if done == 0:
            return
        left -= done
