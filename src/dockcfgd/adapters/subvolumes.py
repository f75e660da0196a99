"""Subvolumes of btrfs: what ID one has, and which one it is a snapshot of.

By BTRFS_IOC_GET_SUBVOL_INFO, which Linux has from 4.18 on and answers to anybody who may open the
folder (linux/btrfs.h, struct btrfs_ioctl_get_subvol_info_args).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Subvolume", "described", "subvolumes"]

_SUBVOLUME_INODE = 256
_GET_INFO = 0x81F8943C
_ANSWER = 504
# ID, name, ID and folder of the one above, generation, flags, uuid, uuid of the origin.
_FORM = "=Q256x32x16s16s"
# It was removed meanwhile, or is no folder, or on another filesystem.
_NONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENOTTY})


@dataclass(frozen=True, slots=True)
class Subvolume:
    """`origin` is the `uuid` of the one that it is a snapshot of, zeros where it is none."""

    id: int
    uuid: bytes
    origin: bytes


def subvolumes(folder: str) -> Iterator[tuple[str, Subvolume]]:
    """Give each subvolume that lies in a folder, by its name there; OSError."""
    for name in sorted(os.listdir(folder)):
        try:
            found = _asked(f"{folder}/{name}")
        except OSError as error:
            if error.errno not in _NONE:
                raise
        else:
            if found:
                yield name, described(found)


def _asked(path: str) -> bytes:
    """Ask for the subvolume at a path; empty where it is a folder in one."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(opened).st_ino != _SUBVOLUME_INODE:
            return b""
        return fcntl.ioctl(opened, _GET_INFO, bytes(_ANSWER))
    finally:
        os.close(opened)


def described(answer: bytes) -> Subvolume:
    """Read what the kernel says of one."""
    return Subvolume(*struct.unpack_from(_FORM, answer))
