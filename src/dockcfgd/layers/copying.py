"""Copying a container's writable layer from one storage driver's tree into another's.

No engine may use either of the two meanwhile.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from dockcfgd.layers.ahead import Ahead
from dockcfgd.layers.attributes import Attributes, set_attributes
from dockcfgd.layers.entries import Changes, Deletion, Entry, Operation, content
from dockcfgd.layers.folder import Cursor, Spot
from dockcfgd.layers.overlay_reader import FuseUpper, OverlayUpper
from dockcfgd.layers.place import Form, Place
from dockcfgd.layers.removal import clear
from dockcfgd.layers.styles import style_of
from dockcfgd.layers.tree_reader import ComparedTree
from dockcfgd.layers.writer import Writer
from dockcfgd.model.errors import FileFailure

__all__ = [
    "Copied",
    "Progress",
    "changes_of",
    "copy_layer",
    "empty_layer",
    "fill_layer",
    "has_changed",
    "measure_layer",
    "reset_layer",
    "sync_filesystem",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """How much a layer holds: files, folders and deletions, and the bytes of content in them."""

    files: int
    bytes: int


def copy_layer(source: Place, target: Place, *, progress: Progress | None = None) -> Copied:
    """Do what `fill_layer` does; durable on return.

    `progress` gets the bytes of content done and to do.
    """
    copied = fill_layer(source, target, progress=progress)
    sync_filesystem(target.tree)
    return copied


def fill_layer(
    source: Place,
    target: Place,
    *,
    progress: Progress | None = None,
    ahead: Ahead | None = None,
) -> Copied:
    """Make the layer at `target` hold what the one at `source` holds; not durable on return.

    `target` is a layer that an engine made for a container of the same image and that has never
    been started, or what an earlier call left there, however it ended: calling again gives the
    same result, as long as `source` is the same. Where drivers keep whole trees, what an engine
    puts into a new container (its working folder, its volumes' folders) stays unless the source
    has it deleted; `empty_layer` beforehand takes that out. `source` is only read. What is `ahead`
    is taken from there and not read again.

    Raises LayerRefused where something cannot be carried over (`measure_layer` finds most of that
    beforehand) and FileFailure where the host does not allow it.
    """
    changes = changes_of(source)
    counted = _Counted(source, changes)
    told = _Told(counted.total(), progress) if progress else _unheard
    try:
        if target.form is not Form.TREE:
            _empty(target)
        with Writer(target.tree, style_of(target.form), told=told, ahead=ahead) as writer:
            files = writer.write(counted.operations())
    except OSError as error:
        raise _failure("write the layer", target.tree, error) from error
    return Copied(files, counted.bytes)


def measure_layer(place: Place) -> Copied:
    """Count what `copy_layer` would copy; LayerRefused where it would refuse to read it.

    The root folder is one of the files, also where nothing else is. May be asked while the
    container runs; what changes meanwhile is missed or raises FileFailure.
    """
    try:
        return Copied(*changes_of(place).measure())
    except OSError as error:
        raise _failure("read the layer", place.tree, error) from error


def has_changed(place: Place) -> bool:
    """Whether the container has anything of its own; the times of its root folder are not.

    Those are never the ones of the layer below. Raises as `measure_layer` does.
    """
    try:
        root, *more = islice(changes_of(place).operations(), 2)
        if more:
            return True
        # Of the layer below its root alone is read, which is the same in every form.
        below = next(_upper(place, place.base).operations())
    except OSError as error:
        raise _failure("read the layer", place.tree, error) from error
    return _timeless(root) != _timeless(below)


def reset_layer(place: Place) -> None:
    """Do what `empty_layer` does; durable on return."""
    empty_layer(place)
    sync_filesystem(place.tree)


def empty_layer(place: Place) -> None:
    """Take out all that the layer has beyond the one it was made from; not durable on return."""
    try:
        if place.form is Form.TREE:
            back = ComparedTree(place.base, place.tree, made_ns=place.made_ns)
            with Writer(place.tree, style_of(Form.TREE), told=_unheard) as writer:
                writer.write(back.operations())
        else:
            _empty(place)
    except OSError as error:
        raise _failure("empty the layer", place.tree, error) from error


def changes_of(place: Place) -> Changes:
    """Give what reads the layer at a place."""
    if place.form is Form.TREE:
        return ComparedTree(place.tree, place.base, made_ns=place.made_ns)
    return _upper(place, place.tree)


def _upper(place: Place, folder: str) -> OverlayUpper:
    return FuseUpper(folder) if place.form is Form.FUSE_OVERLAY else OverlayUpper(folder)


def _timeless(operation: Operation) -> Attributes | None:
    if isinstance(operation, Deletion):
        return None
    return replace(operation.attributes, atime_ns=0, mtime_ns=0)


class _Counted:
    """A layer's operations, counted while they are read."""

    def __init__(self, source: Place, changes: Changes) -> None:
        self._tree = source.tree
        self._changes = changes
        self.bytes = 0

    def total(self) -> int:
        try:
            return self._changes.measure()[1]
        except OSError as error:
            raise _failure("read the layer", self._tree, error) from error

    def operations(self) -> Iterator[Operation]:
        try:
            for operation in self._changes.operations():
                self.bytes += content(operation)
                yield operation
        except OSError as error:
            raise _failure("read the layer", self._tree, error) from error


class _Told:
    """Adds up the pieces for a `Progress`."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def __call__(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)


def sync_filesystem(path: str) -> None:
    """Make durable what the filesystem of a folder has; FileFailure."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(folder)
    except OSError as error:
        raise _failure("sync", path, error) from error


def _unheard(_: int) -> None:
    pass


def _empty(place: Place) -> None:
    with Cursor(os.fsencode(place.tree)) as cursor, Cursor(os.fsencode(place.base)) as base:
        clear(cursor)
        below = Spot(base.folder, b".")
        entry = Entry(b"", below, below.status(), xattrs={})
        set_attributes(Spot(cursor.folder, b"."), entry.attributes)


def _failure(what: str, path: str, error: OSError) -> FileFailure:
    return FileFailure(
        what=what, path=path, errno=error.errno or 0, why=error.strerror or str(error)
    )
