"""Files and folders of the host: looked at without blocking, replaced without losing an edit.

A replaced file is exchanged with its successor, not overwritten: what comes out is looked at, and
if it is not what was expected, it is put back. So an edit made between look and write survives.

Rejected: writing to a temporary file and renaming it over the old one. What somebody else wrote in
the moment before is gone then, and nobody learns of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from dockcfgd.adapters.renameat2 import exchange, rename_to_free_name
from dockcfgd.model.errors import FileFailure, StaleFile
from dockcfgd.model.files import (
    ABSENT,
    Attribute,
    FileKind,
    FileState,
    Ownership,
    Tag,
    digest_of,
)

__all__ = ["HostFiles"]

_LIMIT = 16 * 1024 * 1024
_FOLDER_MODE = 0o755
_MARK = ".dockcfgd-"
_NONE: Mapping[str, bytes] = MappingProxyType({})

# The first two hold a digest of the content, which a successor does not share.
_OWN_CONTENT_ATTRIBUTES = {"security.ima", "security.evm"}
_ATTRIBUTE_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL}

# Temporary files of this process that are in use, so that no thread takes another's for a leftover.
_in_use: set[str] = set()


class HostFiles:
    """The host's files (ports.Files)."""

    def read(self, path: str, *, limit: int = _LIMIT) -> FileState:
        """Look at `path`, links followed; a link that leads nowhere, or round, is `dangling`."""
        with _failing("read", path):
            return _look(path, limit=limit)

    def replace(
        self,
        path: str,
        content: bytes,
        *,
        expected: Sequence[Tag],
        fresh: Tag,
        attributes: Mapping[str, bytes] = _NONE,
        exact: bool = False,
    ) -> Tag:
        """Put `content` at `path`; a file that has it already is left untouched, whatever its tag.

        With `exact` it has to have owner, mode and attributes too. Where something fails, what was
        there is there still.
        """
        with _failing("write", path):
            target = _target(path)
            seen = _look(target, limit=_LIMIT)
            _refuse_irregular(seen)
            given = _given(fresh, attributes)
            same = seen.present and seen.content == content
            if same and (not exact or seen.ownership == given):
                _sync(target)
                _sync(os.path.dirname(target))
                return seen.tag
            if seen.tag not in expected:
                raise StaleFile(path)
            _make_folder(os.path.dirname(target))
            _clear_leftovers(target)
            keep = seen.present and not exact
            owned = seen.tag if keep else fresh
            kept = _attributes(target) if keep else attributes
            alone = exact or seen.present
            with _successor(target, content, owned, attributes=kept, alone=alone) as made:
                if seen.present:
                    _take_place(made, target, path=path, expected=expected)
                else:
                    _take_free_place(made, target, path=path)
            return _look(target, limit=_LIMIT).tag

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None:
        """Remove the file that `path` leads to; a link itself stays."""
        with _failing("remove", path):
            target = _target(path)
            seen = _look(target, limit=_LIMIT)
            _refuse_irregular(seen)
            if not seen.present:
                return
            if seen.tag not in expected:
                raise StaleFile(path)
            _clear_leftovers(target)
            with _temporary(target) as aside:
                try:
                    rename_to_free_name(target, aside)
                except FileNotFoundError:
                    return
                try:
                    _refuse_other(aside, path=path, expected=expected)
                    _sync(os.path.dirname(target))
                except (OSError, StaleFile):
                    # Where there is a newer one by now, that one stays.
                    with contextlib.suppress(FileExistsError):
                        rename_to_free_name(aside, target)
                    raise

    def attributes(self, path: str) -> dict[str, bytes]:
        """Give the extended attributes, but those that belong to the content."""
        with _failing("read", path):
            target = _target(path)
            return _attributes(target) if os.path.isfile(target) else {}

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the sorted names in a folder, empty where there is none."""
        with _failing("list", folder):
            try:
                return tuple(sorted(os.listdir(folder)))
            except FileNotFoundError:
                return ()

    def free_bytes(self, folder: str) -> int:
        """Give the bytes that a process without privileges may still write there."""
        filesystem = _filesystem(folder)
        return filesystem.f_bavail * filesystem.f_frsize

    def free_inodes(self, folder: str) -> int | None:
        """Give the files that a process without privileges may still make; None: no limit."""
        filesystem = _filesystem(folder)
        return filesystem.f_favail if filesystem.f_files else None

    def shares_blocks(self, folder: str) -> bool:
        """Try it with two files that have no name and hold nothing."""
        # Not above: dockcfgd-recover has this file, and nothing of layers.
        from dockcfgd.layers.contents import share_content  # noqa: PLC0415

        try:
            with _nameless(folder) as source, _nameless(folder) as target:
                return share_content(source, target)
        except OSError:
            return False


@contextlib.contextmanager
def _nameless(folder: str) -> Iterator[int]:
    opened = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield opened
    finally:
        os.close(opened)


def _filesystem(folder: str) -> os.statvfs_result:
    with _failing("measure", folder):
        there = os.path.realpath(folder)
        while not os.path.exists(there):
            there = os.path.dirname(there)
        return os.statvfs(there)


@contextlib.contextmanager
def _failing(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        why = os.strerror(number)
        raise FileFailure(what=what, path=path, errno=number, why=why) from error
    except ValueError as error:
        # A zero byte in it, or what no encoding has.
        shown, why = ascii(path)[1:-1], "no file can have this name"
        raise FileFailure(what=what, path=shown, errno=errno.EINVAL, why=why) from error


def _target(path: str) -> str:
    """Give the path without links, of a file that need not be there. OSError for a loop."""
    target = os.path.realpath(path)
    if os.path.islink(target):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return target


def _refuse_irregular(seen: FileState) -> None:
    if seen.kind is FileKind.DIRECTORY:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), seen.path)
    if seen.kind is FileKind.SPECIAL:
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), seen.path)


def _look(path: str, *, limit: int) -> FileState:
    try:
        # Before it is opened, as opening alone does something to some devices.
        found = os.stat(path)
        kind = _kind(found)
        if kind is not FileKind.REGULAR:
            return FileState(
                path=path,
                kind=kind,
                tag=ABSENT,
                inode=found.st_ino,
                mtime_ns=found.st_mtime_ns,
                size=found.st_size,
            )
        # Without blocking, should it be a FIFO by now.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(opened, "rb", buffering=0):
            status = os.fstat(opened)
            kind = _kind(status)
            if kind is FileKind.REGULAR:
                content = _content(opened, limit)
                return _regular(path, content, status, _attributes(opened))
    except FileNotFoundError:
        kind = FileKind.DANGLING if os.path.islink(path) else FileKind.ABSENT
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        kind = FileKind.DANGLING
    return FileState(path=path, kind=kind, tag=ABSENT)


def _kind(status: os.stat_result) -> FileKind:
    if stat.S_ISREG(status.st_mode):
        return FileKind.REGULAR
    return FileKind.DIRECTORY if stat.S_ISDIR(status.st_mode) else FileKind.SPECIAL


def _content(opened: int, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := os.read(opened, 1024 * 1024):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return b"".join(parts)


def _given(fresh: Tag, attributes: Mapping[str, bytes]) -> Ownership:
    return Ownership(fresh.uid, fresh.gid, fresh.mode, _ordered(attributes))


def _ordered(attributes: Mapping[str, bytes]) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, attributes[name]) for name in sorted(attributes))


def _regular(
    path: str, content: bytes, status: os.stat_result, attributes: Mapping[str, bytes]
) -> FileState:
    return FileState(
        path=path,
        kind=FileKind.REGULAR,
        tag=Tag(
            digest=digest_of(content),
            uid=status.st_uid,
            gid=status.st_gid,
            mode=stat.S_IMODE(status.st_mode),
        ),
        content=content,
        inode=status.st_ino,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size,
        attributes=_ordered(attributes),
    )


@contextlib.contextmanager
def _temporary(target: str) -> Iterator[str]:
    """Give a free name beside `target`; what has it at the end goes."""
    folder, name = os.path.split(target)
    made = os.path.join(folder, f".{name}{_MARK}{os.getpid()}-{secrets.token_hex(4)}")
    _in_use.add(made)
    try:
        yield made
    finally:
        # One that cannot be removed is a leftover for the next write.
        with contextlib.suppress(OSError):
            os.unlink(made)
        _in_use.discard(made)


def _clear_leftovers(target: str) -> None:
    """Remove what killed processes left beside `target`."""
    folder, name = os.path.split(target)
    prefix = f".{name}{_MARK}"
    for found in os.listdir(folder):
        pid = found.removeprefix(prefix).partition("-")[0]
        path = os.path.join(folder, found)
        if found.startswith(prefix) and pid.isdecimal() and not _owner_lives(int(pid), path):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _owner_lives(pid: int, path: str) -> bool:
    return path in _in_use if pid == os.getpid() else os.path.exists(f"/proc/{pid}")


@contextlib.contextmanager
def _successor(
    target: str, content: bytes, owned: Tag, *, attributes: Mapping[str, bytes], alone: bool
) -> Iterator[str]:
    """Give the path of a synced file: owner and mode of `owned`, and extended attributes."""
    with _temporary(target) as made:
        opened = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write(opened, content)
            status = os.fstat(opened)
            if (status.st_uid, status.st_gid) != (owned.uid, owned.gid):
                os.fchown(opened, owned.uid, owned.gid)
            os.fchmod(opened, owned.mode)
            _give_attributes(opened, attributes, alone=alone)
            os.fsync(opened)
        finally:
            os.close(opened)
        yield made


def _write(opened: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(opened, left) :]


def _attributes(source: str | int) -> dict[str, bytes]:
    """Give extended attributes and access lists, but those that only the kernel may set."""
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in _ATTRIBUTE_REFUSED:
            return {}
        raise
    found = {}
    for name in names:
        if name in _OWN_CONTENT_ATTRIBUTES:
            continue
        try:
            found[name] = os.getxattr(source, name)
        except OSError as error:
            if error.errno not in {*_ATTRIBUTE_REFUSED, errno.ENODATA}:
                raise
    return found


def _give_attributes(opened: int, attributes: Mapping[str, bytes], *, alone: bool) -> None:
    """Give a file attributes; `alone`: and take away what it has of its folder."""
    for name in _attributes(opened) if alone else ():
        if name not in attributes and not name.startswith("security."):
            os.removexattr(opened, name)
    for name, value in attributes.items():
        try:
            os.setxattr(opened, name, value)
        except OSError as error:
            if name.startswith("user.") or error.errno not in _ATTRIBUTE_REFUSED:
                raise


def _take_place(made: str, target: str, *, path: str, expected: Sequence[Tag]) -> None:
    """Exchange, look at what came out, exchange back if it is not expected or not to be kept."""
    own = os.stat(made).st_ino
    try:
        exchange(made, target)
    except FileNotFoundError:
        raise StaleFile(path) from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # The filesystem cannot exchange: it was looked at just now, more cannot be had.
        os.rename(made, target)
        _sync(os.path.dirname(target))
        return
    try:
        _refuse_other(made, path=path, expected=expected)
        _sync(os.path.dirname(target))
    except (OSError, StaleFile):
        _put_back(made, target, own=own)
        raise


def _refuse_other(came_out: str, *, path: str, expected: Sequence[Tag]) -> None:
    seen = _look(came_out, limit=_LIMIT)
    if os.path.islink(came_out) or not seen.present or seen.tag not in expected:
        raise StaleFile(path)


def _put_back(made: str, target: str, *, own: int) -> None:
    exchange(made, target)
    if os.lstat(made).st_ino != own:
        # Somebody replaced the file meanwhile once more: the newest of theirs stays.
        exchange(made, target)


def _take_free_place(made: str, target: str, *, path: str) -> None:
    try:
        rename_to_free_name(made, target)
    except FileExistsError:
        raise StaleFile(path) from None
    try:
        _sync(os.path.dirname(target))
    except OSError:
        os.unlink(target)
        raise


def _sync(path: str) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _make_folder(folder: str) -> None:
    """Make a folder and its missing parents durably, whatever the umask."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    _make_folder(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, _FOLDER_MODE)
        os.chmod(folder, _FOLDER_MODE)
    _sync(parent)
