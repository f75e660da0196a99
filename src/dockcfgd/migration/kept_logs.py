"""The logs of containers with `--rm`, which go with them.

Before the stop they get second names in ROOT/dockcfgd/CHANGE/logs/ID, ROOT being the data-root: no
other place is sure to be on its filesystem. CHANGE is the change that FOLDER is named by, the
folder of `disposable.keep`, or that it lies in, and FOLDER/logs.json has the data-roots: what was
kept in one may lie in another one of them when that was renamed.

Where a filesystem has no second names, or dockcfgd may not write to a data-root, they are not kept;
its own log says so.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.log import get_logger
from dockcfgd.migration.archive import read_document, write_document
from dockcfgd.migration.documents import texts
from dockcfgd.migration.logs import give_logs, link_logs
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["NOTE", "forget_logs", "keep_logs", "look_in_too", "put_logs"]

NOTE = "logs.json"
# Folders of `disposable.keep` that have no change's name themselves: of a further stop, and in a
# backup.
_AGAIN, _IN_A_BACKUP = "again", "disposable"
# What no later try changes; everything else may be a disk that is full, and mended.
_IMPOSSIBLE = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EROFS, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
)


def keep_logs(folder: str, root: str, containers: Iterable[str]) -> None:
    """Keep what these containers have logged and will have logged; each call anew. FileFailure."""
    for container in containers:
        _note(folder, root)
        with _where_possible("logs.not_kept", container):
            link_logs(root, container=container, folder=_place(folder, root) / container)


def look_in_too(folder: str, root: str) -> None:
    """Take it that what was kept may lie in the data-root `root` by now. FileFailure."""
    if _roots(folder):
        _note(folder, root)


def put_logs(folder: str, root: str, *, before: str, now: str) -> None:
    """Give container `now`, which was never started, what was kept of the logs of `before`.

    The container is in the data-root `root`. What is there already stays. FileFailure.
    """
    for place in _roots(folder):
        with _where_possible("logs.not_carried", now):
            give_logs(_place(folder, place) / before, root, before=before, now=now)


def forget_logs(folder: str) -> None:
    """Remove what was kept; what cannot be removed is left to `storage prune`."""
    for root in _roots(folder):
        place = _place(folder, root)
        shutil.rmtree(place, ignore_errors=True)
        # Not the folder above, too: a data-root that is left is known by its time of change.
        with contextlib.suppress(OSError):
            place.parent.rmdir()


@contextlib.contextmanager
def _where_possible(event: str, container: str) -> Iterator[None]:
    try:
        yield
    except FileFailure as failure:
        if failure.errno not in _IMPOSSIBLE:
            raise
        get_logger().warning(event, container=container, why=str(failure))


def _note(folder: str, root: str) -> None:
    known = _roots(folder)
    if root not in known:
        write_document(str(_top(folder)), NOTE, {"roots": [*known, root]})


def _roots(folder: str) -> list[str]:
    if not (_top(folder) / NOTE).exists():
        return []
    return texts(read_document(str(_top(folder)), NOTE), "roots")


def _top(folder: str) -> Path:
    path = Path(folder)
    return path.parent if path.name == _AGAIN else path


def _place(folder: str, root: str) -> Path:
    top = _top(folder)
    change = top.parent if top.name == _IN_A_BACKUP else top
    return Path(root, "dockcfgd", change.name, "logs")
