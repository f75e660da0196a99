"""Hints that watched files may have changed, by inotify. The only place that imports watchdog.

A hint says no more than "look again": which events come for what differs between watchdog's
releases (2.2 to 7.1 are known to work) and between the ways in which editors save. Facts that the
code stands on:

- Folders are watched, never files: a file that is replaced by a rename takes its watch with it.
- A link's target is edited in another folder, and a link on the way may be swapped: the folders of
  both are watched too.
- A folder that is renamed away takes its watch with it and gives no event; one that is deleted and
  made again may have the same inode. The first is found by `check`, the second by its last event.
- From release 5 on reading a file is an event (opened, closed_no_write); those are no hints.
- Before release 7 whatever is renamed in a watched folder is remembered for good, though only a
  watch of a whole tree has a use for that.
- Before release 7 a watch that cannot be made leaves what was opened for it open, and root's
  programs share 128 such openings by default. So it is tried first whether there is room.

Rejected: watching all parents up to the root, so that renamed folders give a hint at once. Each
watch costs two threads before release 7.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from watchdog.events import FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import ObservedWatch

__all__ = ["FileWatch"]

# The folders to watch, without links, and the names in each that matter (None: all).
Interests: TypeAlias = "dict[str, frozenset[str] | None]"

_HINTS = {"created", "modified", "moved", "deleted", "closed", "attrib"}
_RENAMES = {"moved", "deleted"}  # deleted: renamed to where nobody watches
_LINKS = 40
_ATTEMPTS = 10
_JOIN_SECONDS = 5.0
_IN_ATTRIB = 0x4

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Watches folders, and what their links lead to, and calls `hint` with the path of a change.

    `folders` is asked again whenever something about the folders changes; those that are missing
    are waited for in their nearest parent. `unwatched` is told, at each change, which folders could
    not be watched. All are called in threads of this object; `hint` must return at once. What
    dockcfgd writes itself gives hints too.
    """

    def __init__(
        self,
        folders: Callable[[], set[str]],
        hint: Callable[[str], None],
        *,
        unwatched: Callable[[set[str]], None],
    ) -> None:
        self._folders = folders
        self._hint = hint
        self._unwatched = unwatched
        self._missed: set[str] = set()
        self._observer = InotifyObserver()
        self._armed: dict[str, _Armed] = {}
        self._lost: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_armed, name="file-watch", daemon=True)

    @property
    def watched(self) -> frozenset[str]:
        """The folders that are watched now, without links."""
        return frozenset(self._armed)

    def start(self) -> None:
        """Watch; what is there already gives no hint."""
        self._observer.start()
        self._arm()
        self._thread.start()

    def check(self) -> None:
        """Have it made sure soon that all folders are watched; returns at once."""
        self._wanted.set()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(_JOIN_SECONDS)
        self._observer.stop()
        self._observer.join(_JOIN_SECONDS)

    def _keep_armed(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping:
                return
            for folder in self._arm():
                # It may have been filled before it was watched.
                self._hint(folder)

    def _arm(self) -> set[str]:
        """Make the watches those that are wanted; give the folders that were not watched before."""
        fresh: set[str] = set()
        interests = _interests(self._folders())
        for _ in range(_ATTEMPTS):
            self._disarm(interests)
            fresh |= self._arm_missing(interests)
            # What came up while the watches were made gave no event.
            before, interests = interests, _interests(self._folders())
            if interests == before:
                break
        missed = interests.keys() - self._armed.keys()
        if missed != self._missed:
            self._missed = missed
            self._unwatched(missed)
        return fresh

    def _disarm(self, interests: Interests) -> None:
        alive = {emitter.watch for emitter in self._observer.emitters if emitter.is_alive()}
        lost = set(_drained(self._lost))
        for folder, armed in list(self._armed.items()):
            usable = armed.watch in alive and armed.identity == _identity(folder)
            if folder not in interests or folder in lost or not usable:
                del self._armed[folder]
                with contextlib.suppress(KeyError):
                    self._observer.unschedule(armed.watch)

    def _arm_missing(self, interests: Interests) -> set[str]:
        fresh = set()
        for folder, names in interests.items():
            if folder in self._armed:
                self._armed[folder].handler.names = names
            elif self._watch(folder, names):
                fresh.add(folder)
        return fresh

    def _watch(self, folder: str, names: frozenset[str] | None) -> bool:
        identity = _identity(folder)
        handler = _Handler(folder, names, self._told, self._forget_renames)
        if not _has_room(folder):
            return False
        try:
            watch = self._observer.schedule(handler, folder)
        except OSError:
            # Gone again, which its parent tells; or no watches are left, which `check` retries.
            return False
        self._armed[folder] = _Armed(watch, identity, handler)
        return True

    def _forget_renames(self) -> None:
        """Have watchdog forget what was renamed. In the observer's thread, as `_told`."""
        for emitter in self._observer.emitters:
            reader = getattr(getattr(emitter, "_inotify", None), "_inotify", None)
            forget = getattr(reader, "clear_move_records", None)
            if forget is not None:
                forget()

    def _told(self, path: str, folder: str, *, structural: bool) -> None:
        """Take a relevant event. In the observer's thread, which holds the observer's lock."""
        if path == folder:
            self._lost.put(folder)
        if structural:
            self._wanted.set()
        self._hint(path)


class _Handler(FileSystemEventHandler):
    """Passes the events of one folder on that are hints: about `names`, or about all if None."""

    def __init__(
        self,
        folder: str,
        names: frozenset[str] | None,
        told: Callable[..., None],
        renamed: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._told = told
        self._renamed = renamed
        self.names = names

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take an event; called by watchdog."""
        if event.event_type not in _HINTS:
            return
        if event.event_type in _RENAMES:
            self._renamed()
        # Only events of the kind "moved" have a second path in the older releases.
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if path:
                self._pass_on(os.fsdecode(path), event.event_type)

    def _pass_on(self, path: str, kind: str) -> None:
        itself = path == self._folder
        if itself and kind not in {"deleted", "moved"}:
            return
        if itself or self.names is None or os.path.basename(path) in self.names:
            # Links and folders come and go by these; a mere change of content moves no watch.
            structural = kind in {"created", "deleted", "moved"}
            self._told(path, self._folder, structural=structural)


@dataclass(frozen=True, slots=True)
class _Armed:
    watch: ObservedWatch
    identity: tuple[int, int]
    handler: _Handler


def _has_room(folder: str) -> bool:
    """Tell whether one more watch can be had (inotify(7))."""
    opened = _libc.inotify_init1(os.O_CLOEXEC)
    if opened < 0:
        return False
    try:
        return bool(_libc.inotify_add_watch(opened, os.fsencode(folder), _IN_ATTRIB) >= 0)
    finally:
        os.close(opened)


def _drained(waiting: queue.SimpleQueue[str]) -> Iterator[str]:
    with contextlib.suppress(queue.Empty):
        while True:
            yield waiting.get_nowait()


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


def _interests(folders: set[str]) -> Interests:
    """Give what is to be watched for these folders as things stand."""
    interests: Interests = {}

    def add(folder: str, name: str) -> None:
        known = interests.setdefault(folder, frozenset())
        if known is not None:
            interests[folder] = known | {name}

    whole: set[str] = set()
    for folder in folders:
        end = _follow(folder, add)
        if end is not None:
            whole.add(end)
            for link in _links(end):
                _follow(link, add)
    return interests | dict.fromkeys(whole)


def _follow(path: str, add: Callable[[str, str], None]) -> str | None:
    """Walk a path, adding (folder, name) where it may change its way; give the folder it ends in.

    That is at each link, at a component that is missing, and at the end if that is no folder; then
    the answer is None.
    """
    left = [part for part in path.split("/") if part]
    done = "/"
    links = 0
    while left:
        part = left.pop(0)
        step = os.path.normpath(os.path.join(done, part))
        try:
            mode = os.lstat(step).st_mode
        except OSError:
            add(done, part)
            return None
        if stat.S_ISLNK(mode):
            add(done, part)
            links += 1
            target = _target(step)
            if links > _LINKS or not target:
                return None
            left = [piece for piece in target.split("/") if piece] + left
            done = "/" if target.startswith("/") else done
        elif stat.S_ISDIR(mode):
            done = step
        else:
            add(done, part)
            return None
    return done


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _links(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from [entry.path for entry in entries if entry.is_symlink()]
    except OSError:
        return
