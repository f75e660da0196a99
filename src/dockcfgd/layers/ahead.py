"""Content of a writable layer that was copied ahead, while its container could still write.

    FOLDER/NUMBER        the content of one file
    FOLDER/index.json    {PATH: [INODE, CTIME, NUMBER]}, written last

What tells that a file is still the same is its inode and its ctime, which no program can set: size
and time of change can lie, as after `touch -d` or a write through a mapping. A file is copied ahead
only if its ctime is older than the sync that the copy began with: one that was mapped before and is
written through that after the sync shows another ctime.

Small files are left out: to make one takes as long as to move one. Where files can share their
blocks nothing is copied ahead, as there all are quick.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.layers.contents import copy_content, share_content
from dockcfgd.layers.entries import Deletion, Entry, weight

if TYPE_CHECKING:
    from dockcfgd.layers.entries import Changes
    from dockcfgd.layers.folder import Spot
    from dockcfgd.layers.styles import Style

__all__ = ["USUAL", "Ahead", "SharesBlocks", "Transfer", "copy_ahead"]

LEAST = 64 << 10
_INDEX = "index.json"
_TRIES = 5
_GONE = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE, errno.ENXIO, errno.ENODATA,
        errno.ESPIPE,
    }
)  # fmt: skip
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Transfer:
    """How content gets from one open file to another: shared where that can be, else copied."""

    share: Callable[[int, int], bool] = share_content
    copy: Callable[..., None] = copy_content


USUAL = Transfer()


class SharesBlocks(Exception):
    """There is nothing to be won by copying ahead."""


class Ahead:
    """What `copy_ahead` left in a folder, nothing where it was not called."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, list[int]] = {}
        with contextlib.suppress(OSError, ValueError), open(f"{folder}/{_INDEX}") as file:
            self._files = json.load(file)

    def take(self, entry: Entry, spot: Spot) -> bool:
        """Put the content of a file at an empty spot, if it is there and the file is the same.

        Its attributes are not set. FileExistsError where the spot is not empty.
        """
        known = self._files.get(os.fsdecode(entry.path))
        status = entry.status
        if known is None or known[:2] != [status.st_ino, status.st_ctime_ns]:
            return False
        where = f"{self._folder}/{known[2]}"
        try:
            if os.stat(where).st_size != status.st_size:
                return False
            os.link(where, spot.name, dst_dir_fd=spot.folder)
        except FileExistsError:
            raise
        except OSError:
            # Taken already, or it may have no name there, as in another subvolume.
            return False
        os.unlink(where)
        return True


def copy_ahead(
    changes: Changes, style: Style, folder: str, *, until: int, transfer: Transfer = USUAL
) -> None:
    """Copy the content of the larger files of a layer that were not changed since `until`.

    That is, in nanoseconds, before a sync that has ended. What changes meanwhile, or goes, is left
    out. All is looked at, whatever is copied: LayerRefused where something cannot be stored in
    `style`. Raises SharesBlocks at the first file that would be copied for nothing, OSError.
    """
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    walk = _Walk(style, folder, until=until, transfer=transfer)
    for _ in range(_TRIES):
        try:
            walk.through(changes)
            break
        except OSError as error:
            # The container goes on: what is copied by now is not copied again.
            if error.errno not in _GONE:
                raise
    with open(f"{folder}/{_INDEX}", "w") as file:
        json.dump(walk.files, file)


class _Walk:
    """Goes through a layer, once or several times, and copies what it has not copied yet."""

    def __init__(self, style: Style, folder: str, *, until: int, transfer: Transfer) -> None:
        self.files: dict[str, list[int]] = {}
        self._style = style
        self._folder = folder
        self._until = until
        self._transfer = transfer

    def through(self, changes: Changes) -> None:
        for operation in changes.operations():
            if isinstance(operation, Deletion):
                continue
            self._style.attributes(operation)
            path, status = os.fsdecode(operation.path), operation.status
            late = status.st_ctime_ns >= self._until
            if path in self.files or late or not _is_large(operation):
                continue
            number = len(self.files)
            found = self._copied(operation, f"{self._folder}/{number}")
            if found.st_ctime_ns < self._until:
                self.files[path] = [found.st_ino, found.st_ctime_ns, number]

    def _copied(self, entry: Entry, where: str) -> os.stat_result:
        source = entry.spot.open(_READ)
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                raise _gone()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(where)
            target = os.open(where, _NEW, 0o600)
            try:
                if self._transfer.share(source, target):
                    raise SharesBlocks
                self._transfer.copy(source, target, size=status.st_size, told=_unheard)
            except OSError as error:
                if error.errno == errno.EIO and os.fstat(source).st_size < status.st_size:
                    raise _gone() from error
                raise
            finally:
                os.close(target)
        finally:
            os.close(source)
        return status


def _is_large(entry: Entry) -> bool:
    regular = stat.S_ISREG(entry.status.st_mode)
    return regular and entry.same_as is None and weight(entry.status) >= LEAST


def _gone() -> OSError:
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _unheard(_: int) -> None:
    pass
