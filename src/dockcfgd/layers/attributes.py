"""Owner, mode, times, extended attributes and chattr flags of files, read and set."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from dockcfgd.layers.folder import Spot

__all__ = [
    "APPEND_ONLY",
    "IMMUTABLE",
    "Attributes",
    "read_flags",
    "read_xattrs",
    "set_attributes",
    "set_flags",
    "unprotect",
]

IMMUTABLE = 0x10
APPEND_ONLY = 0x20
# Those of chattr that any filesystem for an engine's data knows: S, i, a, d, A, D. Compression and
# no-copy-on-write belong to one filesystem and change nothing of what a file is.
_KEPT_FLAGS = 0x08 | IMMUTABLE | APPEND_ONLY | 0x40 | 0x80 | 0x10000
_GET_FLAGS = 0x80086601
_SET_FLAGS = 0x40086602
_NOT_SUPPORTED = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
# The kernel sets these by itself, from what is no part of the file.
_OF_THE_HOST = ("security.selinux", "security.ima", "security.evm", "security.SMACK64")
# Compression, as above: inherited by all in a folder, and refused by every other filesystem.
_OF_THE_FILESYSTEM = "btrfs."


@dataclass(frozen=True, slots=True)
class Attributes:
    """All that a file is beside its content."""

    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    xattrs: Mapping[str, bytes]
    flags: int = 0


def read_xattrs(spot: Spot) -> dict[str, bytes]:
    """Read all extended attributes, POSIX ACLs among them, but those that the host gives.

    Nor those that belong to one filesystem.
    """
    path = spot.path
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return {}
        raise
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in names
        if name not in _OF_THE_HOST and not name.startswith(_OF_THE_FILESYSTEM)
    }


def read_flags(spot: Spot, status: os.stat_result) -> int:
    """Read the flags of chattr that are kept; none for what is neither file nor folder."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return 0
    descriptor = spot.open(os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK)
    try:
        return _flags(descriptor) & _KEPT_FLAGS
    finally:
        os.close(descriptor)


def set_flags(spot: Spot, flags: int) -> None:
    """Switch the kept flags of a file or folder to `flags`, leaving the others."""
    descriptor = spot.open(os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK)
    try:
        now = _flags(descriptor)
        wanted = now & ~_KEPT_FLAGS | flags
        if now != wanted:
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", wanted))
    finally:
        os.close(descriptor)


def unprotect(spot: Spot) -> bool:
    """Let a file or folder be changed; tell whether it could not be before."""
    status = spot.status()
    flags = read_flags(spot, status)
    if not flags & (IMMUTABLE | APPEND_ONLY):
        return False
    set_flags(spot, flags & ~(IMMUTABLE | APPEND_ONLY))
    return True


def set_attributes(spot: Spot, wanted: Attributes) -> None:
    """Make a file's attributes be exactly these, but for the flags.

    The order matters: a new owner takes the set-user-ID bit and the capabilities away, and an ACL
    has the last word on the mode.
    """
    os.chown(spot.name, wanted.uid, wanted.gid, dir_fd=spot.folder, follow_symlinks=False)
    if not stat.S_ISLNK(wanted.mode):
        os.chmod(spot.path, stat.S_IMODE(wanted.mode))
    _set_xattrs(spot, wanted.xattrs)
    os.utime(
        spot.name,
        ns=(wanted.atime_ns, wanted.mtime_ns),
        dir_fd=spot.folder,
        follow_symlinks=False,
    )


def _set_xattrs(spot: Spot, wanted: Mapping[str, bytes]) -> None:
    now = read_xattrs(spot)
    for name in now.keys() - wanted.keys():
        os.removexattr(spot.path, name, follow_symlinks=False)
    for name, value in wanted.items():
        if now.get(name) != value:
            os.setxattr(spot.path, name, value, follow_symlinks=False)


def _flags(descriptor: int) -> int:
    try:
        answer = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(struct.calcsize("l")))
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return 0
        raise
    # The kernel writes an int, whatever the request's number says.
    return int(struct.unpack_from("i", answer)[0]) & 0xFFFFFFFF
