"""A data-root copied to another place: while its engine serves, then the rest once it has stopped.

The source is only read. The target bears a mark (marks.py) from before the first file on until it
is removed: only what bears this change's mark is ever removed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dockcfgd.layers.entries import weight
from dockcfgd.layers.folder import Cursor, Spot
from dockcfgd.layers.removal import remove
from dockcfgd.migration.root_paths import mend
from dockcfgd.model.errors import FileFailure
from dockcfgd.roots.index import Index, forget_index
from dockcfgd.roots.marks import (
    FOLDER,
    Begun,
    copy_begun,
    forget,
    write_begun,
)
from dockcfgd.roots.mounts import below, below_apart, mounts
from dockcfgd.roots.owners import Owners
from dockcfgd.roots.stamp import stamp_of
from dockcfgd.roots.tree_copy import Tally, TreeCopy

__all__ = ["Progress", "copy_live", "copy_rest", "discard_copy", "remove_left"]

Progress = Callable[[int, int], None]

_PASSES = 5
_LITTLE = 64 << 20
_MARGIN_BYTES, _MARGIN_FILES = 64 << 20, 1000
_SHARE = 20
# A filesystem's clock may lag behind the one that is asked, and the clock may be set meanwhile.
_DOUBT_NS = 2_000_000_000
_UNMOUNT_SECONDS = 20.0
_LOOK_SECONDS = 0.2
# Wiped by an engine that starts.
_SCRATCH = re.compile(rb"(?:\d+\.\d+/)?tmp")
_REMAPPED = re.compile(rb"\d+\.\d+")


def copy_live(
    source: str, target: str, name: str, *, progress: Progress, shift: Sequence[int] = ()
) -> None:
    """Copy while the engine serves, until little changes from one pass to the next.

    What a copy that was begun for the same data-root has already is used; in a data-root that was
    left (`target` is one that the caller knows to be) what differs is replaced. With a `shift` of
    owners (owners.py) one of the two lies in the other. FileFailure with ENOSPC, before anything is
    written, where it would not fit.
    """
    begun = copy_begun(target)
    usable = begun.source == source and not begun.final
    total, files = _measure(source, alone=bool(shift))
    _refuse_without_room(target, total=total, files=files, alone=bool(shift))
    made = begun.made if usable else not os.path.lexists(target)
    os.makedirs(target, mode=0o711, exist_ok=True)
    if begun.final:
        _clear(target, source)
    write_begun(target, Begun(source, name, made=made))
    if not usable:
        forget_index(target)
    last = None
    for _ in range(_PASSES):
        tally = _live_pass(source, target, total=total, progress=progress, shift=shift)
        small = tally.bytes < _LITTLE
        if small or (last is not None and tally.bytes > last // 2):
            break
        last = tally.bytes


def copy_rest(
    source: str, target: str, name: str, *, progress: Progress, shift: Sequence[int] = ()
) -> None:
    """Copy what has changed since, the engine and all containers being stopped.

    Then the copy is the same, but for the paths that containers' files name.
    """
    begun = copy_begun(target)
    if (begun.source, begun.name) != (source, name):
        why = "it is no copy that was begun for this change"
        raise FileFailure(what="go on copying to", path=target, errno=0, why=why)
    _await_unmounted(source)
    write_begun(target, Begun(source, name, final=True, made=begun.made))
    total, _ = _measure(source, alone=bool(shift))
    _pass(source, target, until=None, total=total, progress=progress, shift=shift)
    mend(target, before=source, after=target)
    forget_index(target)
    ended = Begun(source, name, final=True, made=begun.made, ended=stamp_of(target))
    write_begun(target, ended)
    os.sync()


def discard_copy(source: str, target: str, name: str) -> None:
    """Remove a copy that was begun for this change; anything else stays, whatever it is."""
    begun = copy_begun(target)
    if (begun.source, begun.name) != (source, name):
        return
    _refuse_mounted(target, source)
    _clear(target, source)
    forget(target)
    if begun.made and not os.listdir(target):
        os.rmdir(target)


def remove_left(left: str, used: str) -> None:
    """Remove a data-root that was left, and nothing of the one that is used since.

    One of the two may lie in the other. A mount point stays. FileFailure where something is mounted
    in what was left.
    """
    inner = f"{used}/".startswith(f"{left}/")
    _refuse_mounted(left, used)
    if not os.path.isdir(left) or left == used:
        return
    with Cursor(os.fsencode(left)) as cursor:
        for name in cursor.names():
            kept = inner and (name == FOLDER.encode() or _REMAPPED.fullmatch(name))
            if name != b"lost+found" and not kept:
                remove(Spot(cursor.folder, name))
    if not inner and not os.listdir(left) and not os.path.ismount(left):
        os.rmdir(left)


def _refuse_mounted(folder: str, other: str) -> None:
    mounted = below_apart(folder, other, mounts())
    if mounted:
        why = f"{mounted[0].point} is mounted"
        raise FileFailure(what="remove", path=folder, errno=errno.EBUSY, why=why)


def _clear(target: str, source: str) -> None:
    """Empty a copy but for its mark, and for the data-roots of other users that lie in it."""
    inner = f"{source}/".startswith(f"{target}/")
    with Cursor(os.fsencode(target)) as cursor:
        for name in cursor.names():
            others = inner and _REMAPPED.fullmatch(name)
            if name not in {FOLDER.encode(), b"lost+found"} and not others:
                remove(Spot(cursor.folder, name))


def _live_pass(
    source: str, target: str, *, total: int, progress: Progress, shift: Sequence[int]
) -> Tally:
    until = time.time_ns() - _DOUBT_NS
    # From here on a write through a mapping shows in a file's ctime.
    os.sync()
    return _pass(source, target, until=until, total=total, progress=progress, shift=shift)


def _pass(
    source: str,
    target: str,
    *,
    until: int | None,
    total: int,
    progress: Progress,
    shift: Sequence[int],
) -> Tally:
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(min(done, total), total)

    mounted = _mounted(source) if until is not None else []
    with Index(target) as index:
        copy = TreeCopy(
            source,
            target,
            index=index,
            until=until,
            mounts=mounted,
            emptied=_scratch(source),
            told=told,
            owners=Owners(shift) if shift else None,
        )
        tally = copy.run()
        os.sync()
        if until is not None:
            index.commit()
    return tally


def _mounted(source: str) -> list[bytes]:
    return [os.fsencode(os.path.relpath(one.point, source)) for one in below(source, mounts())]


def _scratch(source: str) -> list[bytes]:
    found = [b"tmp", *(os.fsencode(f"{one.name}/tmp") for one in Path(source).iterdir())]
    return [one for one in found if _SCRATCH.fullmatch(one)]


def _await_unmounted(source: str) -> None:
    give_up = time.monotonic() + _UNMOUNT_SECONDS
    while left := below(source, mounts()):
        if time.monotonic() >= give_up:
            why = f"{left[0].point} is still mounted"
            raise FileFailure(what="copy", path=source, errno=errno.EBUSY, why=why)
        time.sleep(_LOOK_SECONDS)


def _remapped(top: str) -> list[os.DirEntry[str]]:
    with os.scandir(top) as entries:
        return [one for one in entries if _REMAPPED.fullmatch(os.fsencode(one.name))]


def _measure(top: str, *, alone: bool = False) -> tuple[int, int]:
    """Count bytes of content and files of a data-root, hard links once, what is mounted not.

    `alone`: without the data-roots of other users that lie in it.
    """
    size = count = 0
    seen: set[tuple[int, int]] = set()
    mounted = {one.point for one in below(top, mounts())}
    others = {one.path for one in _remapped(top)} if alone else set[str]()
    for status in _statuses(top, {*mounted, *others, f"{top}/{FOLDER}", f"{top}/tmp"}):
        key = (status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1 or key not in seen:
            count += 1
            size += weight(status)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            seen.add(key)
    return size, count


def _statuses(top: str, left_out: set[str]) -> Iterator[os.stat_result]:
    """Give the status of all that is below a folder; what vanishes meanwhile is left out."""
    folders = [top]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.path in left_out:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield status
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.path)


def _refuse_without_room(target: str, *, total: int, files: int, alone: bool) -> None:
    near = target
    while not os.path.lexists(near):
        near = os.path.dirname(near)
    status = os.statvfs(near)
    there, there_files = _measure(target, alone=alone) if near == target else (0, 0)
    free = status.f_bavail * status.f_frsize + there
    need = total + total // _SHARE + _MARGIN_BYTES
    if need > free:
        why = f"the data takes {need >> 20} MiB and its filesystem has {free >> 20} MiB free"
        raise FileFailure(what="copy to", path=target, errno=errno.ENOSPC, why=why)
    inodes = status.f_favail + there_files
    if status.f_files and files + _MARGIN_FILES > inodes:
        why = f"there are {files} files, and its filesystem has inodes for {inodes} more"
        raise FileFailure(what="copy to", path=target, errno=errno.ENOSPC, why=why)
