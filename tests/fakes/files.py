"""A file tree in memory that knows what is on the disk and what only in memory."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from dockcfgd.model.errors import FileFailure, StaleFile
from dockcfgd.model.files import ABSENT, Attribute, FileKind, FileState, Tag, digest_of
from tests.fakes.cuts import Cuts

__all__ = ["FakeFiles", "File", "Folder", "Link", "Special"]

_LIMIT = 16 * 1024 * 1024
_LINKS = 40


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    content: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o644
    attributes: tuple[tuple[str, bytes], ...] = ()
    inode: int = 0
    mtime_ns: int = 0

    @property
    def tag(self) -> Tag:
        return Tag(digest=digest_of(self.content), uid=self.uid, gid=self.gid, mode=self.mode)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder."""

    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Special:
    """A device, socket or FIFO."""


Node = File | Link | Folder | Special


@dataclass
class _Trouble:
    number: int
    when: Callable[[str], bool] = field(default=lambda _: True)


class FakeFiles:
    """ports.Files. What `put`, `delete` and the like do is on the disk at once, as edits of others.

    `free` is what free_bytes says, `inodes` what free_inodes says, `shares` what shares_blocks
    does. `trouble` makes writes fail by errno. A process that is killed leaves the tree as it is;
    `power_cut` takes it back to what was synced.
    """

    def __init__(self, cuts: Cuts | None = None) -> None:
        self.cuts = cuts or Cuts()
        self.free = 50 * 1024**3
        self.shares = False
        self.inodes: int | None = None
        self._live: dict[str, Node] = {"/": Folder()}
        self._durable: dict[str, Node] = dict(self._live)
        self._troubles: list[_Trouble] = []
        self._inodes = 1

    # The port

    def read(self, path: str, *, limit: int = _LIMIT) -> FileState:
        return self._look(path, limit=limit)

    def replace(
        self,
        path: str,
        content: bytes,
        *,
        expected: Sequence[Tag],
        fresh: Tag,
        attributes: Mapping[str, bytes] = MappingProxyType({}),
        exact: bool = False,
    ) -> Tag:
        target = self._target(path, what="write")
        seen = self._look(target, limit=_LIMIT)
        self._refuse_irregular(seen, path, what="write")
        given = _fresh(fresh, attributes)
        same = seen.present and seen.content == content
        if same and (not exact or self._ownership_is(target, given)):
            self._sync(target)
            return seen.tag
        if seen.tag not in expected:
            raise StaleFile(path)
        self._refuse_trouble(path, what="write")
        self._make_folder(posixpath.dirname(target))
        self.cuts.at(f"before writing {path}")
        # Somebody may have been faster meanwhile; what comes out of the exchange tells.
        now = self._live.get(target)
        if not _same(now, seen.tag, expected):
            raise StaleFile(path)
        owned = now if isinstance(now, File) and not exact else given
        made = replace(owned, content=content, inode=self._inode(), mtime_ns=self._inodes)
        self._live[target] = made
        self.cuts.at(f"written, not synced: {path}")
        self._sync(target)
        self.cuts.at(f"after writing {path}")
        return made.tag

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None:
        target = self._target(path, what="remove")
        seen = self._look(target, limit=_LIMIT)
        self._refuse_irregular(seen, path, what="remove")
        if not seen.present:
            return
        if seen.tag not in expected:
            raise StaleFile(path)
        self._refuse_trouble(path, what="remove")
        self.cuts.at(f"before removing {path}")
        if target not in self._live:
            return
        if not _same(self._live.get(target), seen.tag, expected):
            raise StaleFile(path)
        self._live.pop(target, None)
        self.cuts.at(f"removed, not synced: {path}")
        self._sync(target)
        self.cuts.at(f"after removing {path}")

    def attributes(self, path: str) -> dict[str, bytes]:
        node = self._live.get(self._target(path, what="read"))
        return dict(node.attributes) if isinstance(node, File) else {}

    def names(self, folder: str) -> tuple[str, ...]:
        where = self._target(folder, what="list")
        node = self._live.get(where)
        if node is not None and not isinstance(node, Folder):
            raise _failure("list", folder, errno.ENOTDIR)
        return tuple(sorted({posixpath.basename(path) for path in self._inside(where)}))

    def free_bytes(self, folder: str) -> int:  # noqa: ARG002  # the whole tree is one filesystem
        return self.free

    def shares_blocks(self, folder: str) -> bool:  # noqa: ARG002  # the same
        return self.shares

    def free_inodes(self, folder: str) -> int | None:  # noqa: ARG002  # the same
        return self.inodes

    # What others do

    def put(
        self, path: str, content: bytes | str, *, mode: int = 0o644, uid: int = 0, gid: int = 0
    ) -> Tag:
        """Write a file as an editor does, over whatever is there; links are followed."""
        data = content.encode() if isinstance(content, str) else content
        target = self._target(path, what="write")
        made = File(data, uid, gid, mode, (), self._inode(), self._inodes)
        self._place(target, made)
        return made.tag

    def set_attribute(self, path: str, name: str, value: bytes) -> None:
        """Give a file an extended attribute."""
        file = self.file(path)
        attributes = dict(file.attributes) | {name: value}
        self._place(
            self._target(path, what="write"), replace(file, attributes=tuple(attributes.items()))
        )

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        self._place(path, Link(target))

    def folder(self, path: str) -> None:
        """Make a folder."""
        self._place(path, Folder())

    def special(self, path: str) -> None:
        """Make something that is no file."""
        self._place(path, Special())

    def delete(self, path: str) -> None:
        """Remove what has the name, and what is in it."""
        for tree in (self._live, self._durable):
            for found in [path, *(inner for inner in tree if inner.startswith(f"{path}/"))]:
                tree.pop(found, None)

    def file(self, path: str) -> File:
        """Give the file at a path, links followed; KeyError where there is none."""
        node = self._live[self._target(path, what="read")]
        if not isinstance(node, File):
            raise KeyError(path)
        return node

    def text(self, path: str) -> str:
        """Give a file's text, empty where there is none."""
        state = self._look(path, limit=_LIMIT)
        return state.content.decode()

    def is_link(self, path: str) -> bool:
        """Tell whether a symbolic link has the name."""
        return isinstance(self._live.get(path), Link)

    def snapshot(self) -> dict[str, bytes]:
        """Give all files with their content."""
        return {path: node.content for path, node in self._live.items() if isinstance(node, File)}

    def trouble(self, number: int, when: Callable[[str], bool] = lambda _: True) -> None:
        """Let writes of the paths that `when` holds for fail with an errno from now on."""
        self._troubles.append(_Trouble(number, when))

    def end_trouble(self) -> None:
        """Let writes succeed again."""
        self._troubles.clear()

    def power_cut(self) -> None:
        """Lose what was not synced."""
        self._live = dict(self._durable)

    # Inside

    def _place(self, path: str, node: Node) -> None:
        self._make_folder(posixpath.dirname(path))
        self._live[path] = node
        self._durable[path] = node

    def _inode(self) -> int:
        self._inodes += 1
        return self._inodes

    def _sync(self, path: str) -> None:
        if path in self._live:
            self._durable[path] = self._live[path]
        else:
            self._durable.pop(path, None)

    def _make_folder(self, folder: str) -> None:
        while folder not in self._live:
            self._live[folder] = Folder()
            self._durable[folder] = Folder()
            folder = posixpath.dirname(folder)

    def _inside(self, folder: str) -> list[str]:
        return [path for path in self._live if path != "/" and posixpath.dirname(path) == folder]

    def _refuse_trouble(self, path: str, *, what: str) -> None:
        for trouble in self._troubles:
            if trouble.when(path):
                raise _failure(what, path, trouble.number)

    def _refuse_irregular(self, seen: FileState, path: str, *, what: str) -> None:
        if seen.kind is FileKind.DIRECTORY:
            raise _failure(what, path, errno.EISDIR)
        if seen.kind is FileKind.SPECIAL:
            raise _failure(what, path, errno.ENXIO)

    def _look(self, path: str, *, limit: int) -> FileState:
        resolved = self._resolve(path)
        if resolved is None:
            return FileState(path=path, kind=FileKind.DANGLING, tag=ABSENT)
        node = self._live.get(resolved)
        if isinstance(node, File):
            if len(node.content) > limit:
                raise _failure("read", path, errno.EFBIG)
            return FileState(
                path,
                FileKind.REGULAR,
                node.tag,
                node.content,
                node.inode,
                node.mtime_ns,
                len(node.content),
                tuple(Attribute(*attribute) for attribute in sorted(node.attributes)),
            )
        kind = FileKind.SPECIAL if isinstance(node, Special) else FileKind.DIRECTORY
        if node is None:
            linked = isinstance(self._live.get(path), Link)
            kind = FileKind.DANGLING if linked else FileKind.ABSENT
        return FileState(path=path, kind=kind, tag=ABSENT)

    def _ownership_is(self, target: str, given: File) -> bool:
        file = self.file(target)
        return (file.uid, file.gid, file.mode, sorted(file.attributes)) == (
            *(given.uid, given.gid, given.mode),
            sorted(given.attributes),
        )

    def _target(self, path: str, *, what: str) -> str:
        resolved = self._resolve(path)
        if resolved is None:
            raise _failure(what, path, errno.ELOOP)
        return resolved

    def _resolve(self, path: str) -> str | None:
        """Give a path without links, None for a loop."""
        left = [part for part in path.split("/") if part]
        done = "/"
        followed = 0
        while left:
            part = left.pop(0)
            if part == ".":
                continue
            if part == "..":
                done = posixpath.dirname(done)
                continue
            step = posixpath.join(done, part)
            node = self._live.get(step)
            if not isinstance(node, Link):
                done = step
                continue
            followed += 1
            if followed > _LINKS:
                return None
            left = [piece for piece in node.target.split("/") if piece] + left
            done = "/" if node.target.startswith("/") else done
        return done


def _fresh(owned: Tag, attributes: Mapping[str, bytes]) -> File:
    kept = tuple(attributes.items())
    return File(b"", owned.uid, owned.gid, owned.mode, attributes=kept)


def _same(node: Node | None, seen: Tag, expected: Sequence[Tag]) -> bool:
    if isinstance(node, File):
        # A file that was not there a moment ago is never overwritten, one that was must be known.
        return seen != ABSENT and node.tag in expected
    return node is None and seen == ABSENT


def _failure(what: str, path: str, number: int) -> FileFailure:
    return FileFailure(what=what, path=path, errno=number, why=os.strerror(number))
