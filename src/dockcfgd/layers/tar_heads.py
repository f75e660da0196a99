"""What stands before a file's content in a tar archive: pax records and a ustar header.

Python's tarfile is not used, as it wants names and attributes as text and loses those that are not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

__all__ = ["END", "head", "padding"]

BLOCK = 512
END = bytes(2 * BLOCK)
_NAME = 100
_KINDS = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}
_HARD_LINK = b"1"
_ID_LIMIT = 0o7777777
_SIZE_LIMIT = 0o77777777777
_SECOND = 1_000_000_000


def head(
    name: bytes,
    status: os.stat_result,
    *,
    size: int,
    target: bytes = b"",
    owner: tuple[int, int] | None = None,
    xattrs: Mapping[str, bytes] | None = None,
    hard: bool = False,
) -> bytes:
    """Give the blocks before the content, `size` bytes long, of a member.

    `target` is where a symlink leads, or a `hard` link's first name; `owner` is user and group,
    where they are not those of `status`. Times are kept to the nanosecond and attributes as
    `SCHILY.xattr.`, in pax records.
    """
    uid, gid = owner or (status.st_uid, status.st_gid)
    kind = _HARD_LINK if hard else _KINDS[stat.S_IFMT(status.st_mode)]
    records = {
        b"mtime": _seconds(status.st_mtime_ns),
        b"atime": _seconds(status.st_atime_ns),
    }
    if len(name) > _NAME or not name.isascii():
        records[b"path"] = name
    if len(target) > _NAME or not target.isascii():
        records[b"linkpath"] = target
    for key, number, limit in (
        (b"uid", uid, _ID_LIMIT),
        (b"gid", gid, _ID_LIMIT),
        (b"size", size, _SIZE_LIMIT),
    ):
        if number > limit:
            records[key] = b"%d" % number
    for attribute, value in sorted((xattrs or {}).items()):
        records[b"SCHILY.xattr." + os.fsencode(attribute)] = value
    content = b"".join(_record(key, value) for key, value in records.items())
    extended = _block(b"pax", kind=b"x", size=len(content)) + content + padding(len(content))
    return extended + _block(
        name, kind=kind, size=size, target=target, status=status, owner=(uid, gid)
    )


def padding(size: int) -> bytes:
    """Give the zeros after `size` bytes of content."""
    return bytes(-size % BLOCK)


def _block(
    name: bytes,
    *,
    kind: bytes,
    size: int,
    target: bytes = b"",
    status: os.stat_result | None = None,
    owner: tuple[int, int] = (0, 0),
) -> bytes:
    mode = stat.S_IMODE(status.st_mode) if status else 0o644
    seconds, device = (status.st_mtime_ns // _SECOND, status.st_rdev) if status else (0, 0)
    fields = (
        name[:_NAME].ljust(_NAME, b"\0"),
        _octal(mode, 8),
        _octal(owner[0], 8),
        _octal(owner[1], 8),
        _octal(size, 12),
        _octal(seconds, 12),
        b" " * 8,
        kind,
        target[:_NAME].ljust(_NAME, b"\0"),
        b"ustar\x0000",
        bytes(64),
        _octal(os.major(device), 8),
        _octal(os.minor(device), 8),
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(number: int, width: int) -> bytes:
    """Write a number that fits, and zero for one that a pax record tells."""
    digits = b"%0*o" % (width - 1, number) if number >= 0 else b""
    return (digits if len(digits) == width - 1 else b"0" * (width - 1)) + b"\0"


def _seconds(nanoseconds: int) -> bytes:
    sign = b"-" if nanoseconds < 0 else b""
    whole, part = divmod(abs(nanoseconds), _SECOND)
    return sign + (b"%d.%09d" % (whole, part)).rstrip(b"0").rstrip(b".")


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest)
    while (total := len(b"%d" % size) + len(rest)) != size:
        size = total
    return b"%d" % size + rest
