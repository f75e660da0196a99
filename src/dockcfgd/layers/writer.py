"""Writing changes into a layer's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dockcfgd.layers.ahead import Ahead
from dockcfgd.layers.attributes import Attributes, set_attributes, set_flags, unprotect
from dockcfgd.layers.contents import copy_content
from dockcfgd.layers.entries import Deletion, Entry, Operation, weight
from dockcfgd.layers.folder import Cursor, Spot, parts_of, status_or_none
from dockcfgd.layers.removal import clear, remove
from dockcfgd.layers.styles import Style
from dockcfgd.model.errors import FileFailure

__all__ = ["Told", "Writer"]

# Gets the bytes of content of each piece that was written.
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Open:
    """A folder that is being written: what it will be once nothing more goes into it."""

    parts: list[bytes]
    attributes: Attributes
    opaque: bool


class Writer:
    """Does operations, in their order, in one folder. A context manager.

    A folder gets its attributes when all that is below it is done, as each file made in it would
    change its time. Flags that forbid changes come last of all. Content that is `ahead` is not
    copied again.
    """

    def __init__(self, tree: str, style: Style, *, told: Told, ahead: Ahead | None = None) -> None:
        self._cursor = Cursor(os.fsencode(tree))
        try:
            self._links = Cursor(os.fsencode(tree))
        except BaseException:
            os.close(self._cursor.folder)
            raise
        self._style = style
        self._told = told
        self._ahead = ahead
        self._open: list[_Open] = []
        self._flags: list[tuple[list[bytes], int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._cursor.folder)
        os.close(self._links.folder)

    def write(self, operations: Iterable[Operation]) -> int:
        """Do all of them and return how many they were.

        Raises FileFailure with the path in the container, or LayerRefused.
        """
        count = 0
        for operation in operations:
            try:
                self._write(operation)
            except OSError as error:
                raise _failed(operation.path, error) from error
            count += 1
        try:
            self._finish()
        except OSError as error:
            raise _failed(b"", error) from error
        return count

    def _write(self, operation: Operation) -> None:
        parts = parts_of(operation.path)
        while self._open and not _within(parts, self._open[-1].parts):
            self._close_folder()
        spot = self._spot(parts)
        if isinstance(operation, Deletion):
            if not any(folder.opaque for folder in self._open):
                self._style.delete(spot)
        elif stat.S_ISDIR(operation.status.st_mode):
            self._folder(spot, parts, operation)
        elif operation.same_as is not None:
            self._link(spot, parts_of(operation.same_as))
        else:
            self._file(spot, parts, operation)

    def _folder(self, spot: Spot, parts: list[bytes], entry: Entry) -> None:
        attributes = self._style.attributes(entry)
        status = status_or_none(spot)
        if status is not None and stat.S_ISDIR(status.st_mode):
            unprotect(spot)
            if entry.opaque:
                with Cursor(spot.path) as inside:
                    clear(inside)
        else:
            if status is not None:
                remove(spot)
            os.mkdir(spot.name, 0o700, dir_fd=spot.folder)
        self._open.append(_Open(parts, attributes, entry.opaque))

    def _link(self, spot: Spot, first: list[bytes]) -> None:
        remove(spot)
        os.link(
            first[-1],
            spot.name,
            src_dir_fd=self._links.go(first[:-1]),
            dst_dir_fd=spot.folder,
            follow_symlinks=False,
        )

    def _file(self, spot: Spot, parts: list[bytes], entry: Entry) -> None:
        attributes = self._style.attributes(entry)
        try:
            self._create(spot, entry)
        except FileExistsError:
            remove(spot)
            self._create(spot, entry)
        set_attributes(spot, attributes)
        self._note_flags(parts, attributes)

    def _create(self, spot: Spot, entry: Entry) -> None:
        kind = stat.S_IFMT(entry.status.st_mode)
        if kind == stat.S_IFREG:
            self._content(spot, entry)
        elif kind == stat.S_IFLNK:
            target = os.readlink(entry.spot.name, dir_fd=entry.spot.folder)
            os.symlink(target, spot.name, dir_fd=spot.folder)
        else:
            os.mknod(spot.name, kind | 0o600, entry.status.st_rdev, dir_fd=spot.folder)

    def _content(self, spot: Spot, entry: Entry) -> None:
        if self._ahead is not None and self._ahead.take(entry, spot):
            self._told(weight(entry.status))
            return
        target = spot.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            source = entry.spot.open(os.O_RDONLY | os.O_NOATIME)
            try:
                self._copy(source, target, entry.status)
            finally:
                os.close(source)
        finally:
            os.close(target)

    def _copy(self, source: int, target: int, status: os.stat_result) -> None:
        left = weight(status)

        def told(count: int) -> None:
            nonlocal left
            self._told(min(count, left))
            left -= min(count, left)

        copy_content(source, target, size=status.st_size, told=told)
        told(left)

    def _finish(self) -> None:
        while self._open:
            self._close_folder()
        for parts, flags in self._flags:
            set_flags(self._spot(parts), flags)

    def _close_folder(self) -> None:
        folder = self._open.pop()
        set_attributes(self._spot(folder.parts), folder.attributes)
        self._note_flags(folder.parts, folder.attributes)

    def _note_flags(self, parts: list[bytes], attributes: Attributes) -> None:
        if attributes.flags:
            self._flags.append((parts, attributes.flags))

    def _spot(self, parts: list[bytes]) -> Spot:
        if not parts:
            return Spot(self._cursor.go([]), b".")
        return Spot(self._cursor.go(parts[:-1]), parts[-1])


def _within(parts: list[bytes], folder: list[bytes]) -> bool:
    return len(parts) > len(folder) and parts[: len(folder)] == folder


def _failed(path: bytes, error: OSError) -> FileFailure:
    return FileFailure(
        what="write",
        path="/" + os.fsdecode(path),
        errno=error.errno or 0,
        why=error.strerror or str(error),
    )
