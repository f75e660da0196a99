"""What containers do to files, one small change each, in a folder that the image brings.

`make_folder` makes what is in the image, CHANGES what is done there afterwards.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["CHANGES", "PROTECTING", "make_folder"]

_TIME = 1_700_000_000_000_000_000
_CAPABILITY = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)
_ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,
    *(0x01, 7, 0xFFFFFFFF),
    *(0x02, 6, 1234),
    *(0x04, 5, 0xFFFFFFFF),
    *(0x10, 7, 0xFFFFFFFF),
    *(0x20, 4, 0xFFFFFFFF),
)
_LONG = "n" * 255


def make_folder(folder: Path) -> None:
    """Make files of each kind, all with the same times."""
    folder.mkdir(parents=True)
    (folder / "file").write_text("from the image\n")
    (folder / "empty").touch()
    (folder / "script").write_text("#!/bin/sh\n")
    (folder / "script").chmod(0o4755)
    os.chown(folder / "script", 1000, 1001)
    (folder / "script").chmod(0o4755)
    for name in ("dir/x", "dir/y", "dir/sub/z", "other/o"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to("file")
    (folder / "dirlink").symlink_to("dir")
    (folder / "one").write_text("three names\n")
    for name in ("two", "dir/three"):
        (folder / name).hardlink_to(folder / "one")
    os.mkfifo(folder / "fifo")
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    # An access time ahead of now is not changed by reading.
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        os.utime(path, ns=(time.time_ns() + 3600 * 10**9, _TIME), follow_symlinks=False)


def _write(name: str, text: str = "written") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def _xattr(name: str, key: str, value: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        os.setxattr(folder / name, key, value, follow_symlinks=False)

    return change


def _node(name: str, mode: int, major: int = 0, minor: int = 0) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        os.mknod(folder / name, mode, os.makedev(major, minor))

    return change


def _remove(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    return change


def _chmod(name: str, mode: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).chmod(mode)

    return change


def _chown(name: str, uid: int, gid: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        os.chown(folder / name, uid, gid, follow_symlinks=False)

    return change


def _times(name: str, atime: int, mtime: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        os.utime(folder / name, ns=(atime, mtime), follow_symlinks=False)

    return change


def _mkdir(name: str, mode: int = 0o755) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).mkdir()
        (folder / name).chmod(mode)

    return change


def _symlink(name: str, target: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).symlink_to(target)

    return change


def _link(name: str, to: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).hardlink_to(folder / to)

    return change


def _move(name: str, to: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        # A folder of the image cannot be renamed in an overlay: it is copied, as mv does.
        shutil.move(folder / name, folder / to)

    return change


def _replace(name: str, over: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).replace(folder / over)

    return change


def _all(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def _sparse(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.write(b"start")
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(3 << 30)


def _quiet_rewrite(folder: Path) -> None:
    """Other content with the same size and time."""
    path = folder / "file"
    before = path.stat()
    path.write_text("FROM THE IMAGE\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _same_again(folder: Path) -> None:
    """Break the link by a new file that is the same in all but the inode."""
    shutil.copy2(folder / "one", folder / "tmp")
    (folder / "tmp").rename(folder / "one")


def _deep(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(_LONG, dir_fd=here)  # deeper than a path can say
        below = os.open(_LONG, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def _socket(folder: Path) -> None:
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o660)


def _many(folder: Path) -> None:
    for number in range(300):
        (folder / f"many-{number}").write_bytes(b"x" * number)


CHANGES: dict[str, Callable[[Path], None]] = {
    "untouched": lambda _: None,
    "new file": _write("new"),
    "new empty file": _write("new", ""),
    "new big file": _write("new", "0123456789abcdef" * 200_000),
    "new among many": _many,
    "rewritten": _write("file"),
    "rewritten in place, same size and time": _quiet_rewrite,
    "emptied": _write("file", ""),
    "file replaced by a folder": _all(_remove("file"), _mkdir("file"), _write("file/in")),
    "file replaced by a symlink": _all(_remove("file"), _symlink("file", "empty")),
    "file replaced by a fifo": _all(_remove("file"), _node("file", stat.S_IFIFO | 0o600)),
    "file deleted": _remove("file"),
    "file deleted and made again": _all(_remove("file"), _write("file")),
    "file renamed": _move("file", "renamed"),
    "file renamed over another": _replace("file", "empty"),
    "several deleted": _remove("file", "empty", "link", "fifo", "null"),
    "suid file deleted": _remove("script"),
    "mode changed": _chmod("file", 0o640),
    "suid set": _chmod("file", 0o4711),
    "sgid set": _chmod("file", 0o2711),
    "suid cleared": _chmod("script", 0o755),
    "sticky folder": _chmod("dir", 0o1777),
    "sgid folder": _chmod("dir", 0o2775),
    "no permission at all": _chmod("file", 0),
    "owner changed": _chown("file", 12345, 54321),
    "owner of a suid file changed": _all(_chown("script", 5, 5), _chmod("script", 0o6755)),
    "owner of a folder changed": _chown("dir", 33, 33),
    "owner of a symlink changed": _chown("link", 33, 34),
    "great owner": _chown("file", 4_000_000_000, 3_999_999_999),
    "time changed": _times("file", _TIME + 1, _TIME + 987_654_321),
    "time before 1970": _times("file", -1, -123_456_789),
    "time far ahead": _times("file", 1, 9_999_999_999_123_456_789),
    "time of a folder": _times("dir", _TIME + 5, _TIME + 7),
    "time of a symlink": _times("link", _TIME + 5, _TIME + 7),
    "access time alone": _times("file", _TIME - 5, _TIME + 1),
    "user attribute": _xattr("file", "user.colour", b"blue\0\xff"),
    "empty attribute": _xattr("file", "user.none", b""),
    "trusted attribute": _xattr("file", "trusted.mark", b"1"),
    "attribute of a folder": _xattr("dir", "user.colour", b"red"),
    "attribute of a symlink": _xattr("link", "trusted.mark", b"on the link"),
    "attribute of a fifo": _xattr("fifo", "trusted.mark", b"on the fifo"),
    "long attribute": _xattr("file", "user.long", b"x" * 2000),
    "capability": _xattr("file", "security.capability", _CAPABILITY),
    "capability of a new file": _all(
        _write("new"), _chown("new", 7, 7), _xattr("new", "security.capability", _CAPABILITY)
    ),
    "access ACL": _xattr("file", "system.posix_acl_access", _ACL),
    "ACL of a folder": _xattr("dir", "system.posix_acl_access", _ACL),
    "default ACL": _all(
        _xattr("dir", "system.posix_acl_default", _ACL), _write("dir/inherits"), _mkdir("dir/in")
    ),
    "default ACL after its files": _all(
        _write("dir/before"), _xattr("dir", "system.posix_acl_default", _ACL)
    ),
    "new folder": _all(_mkdir("new"), _write("new/file")),
    "new empty folder": _mkdir("new", 0o700),
    "folders in folders": lambda folder: (folder / "a/b/c/d/e").mkdir(parents=True),
    "file in a folder of the image": _write("dir/new"),
    "deleted in a folder of the image": _remove("dir/x"),
    "rewritten deep in the image": _write("dir/sub/z"),
    "folder deleted": _remove("dir"),
    "folder deleted and made again": _all(_remove("dir"), _mkdir("dir")),
    "folder made again with a file": _all(_remove("dir"), _mkdir("dir"), _write("dir/only")),
    "folder made again with the same names": _all(
        _remove("dir"), _mkdir("dir"), _write("dir/x"), _mkdir("dir/sub"), _write("dir/sub/q")
    ),
    "folder emptied": _remove("dir/x", "dir/y", "dir/sub", "dir/three"),
    "folder replaced by a file": _all(_remove("dir"), _write("dir")),
    "folder replaced by a symlink": _all(_remove("dir"), _symlink("dir", "other")),
    "folder replaced by a link out of the tree": _all(_remove("dir"), _symlink("dir", "/etc")),
    "folder moved": _move("dir", "moved"),
    "new folder moved": _all(_mkdir("new"), _write("new/file"), _move("new", "other/moved")),
    "symlink replaced by a folder": _all(
        _remove("dirlink"), _mkdir("dirlink"), _write("dirlink/in")
    ),
    "symlink retargeted": _all(_remove("link"), _symlink("link", "empty")),
    "symlink to nowhere": _symlink("new", "/nowhere/\udcff"),
    "long symlink": _symlink("new", "x" * 4000),
    "hard link in one folder": _all(_write("new"), _link("new2", "new")),
    "hard link across folders": _all(_write("dir/new"), _link("other/new", "dir/new")),
    "hard link to the image's file": _link("again", "file"),
    "fourth name": _link("four", "one"),
    "one of several names rewritten": _write("one"),
    "one of several names deleted": _remove("two"),
    "one of several names replaced by the same": _same_again,
    "one of several names moved": _move("two", "dir/sub/two"),
    "hard link to a symlink": lambda folder: os.link(
        folder / "link", folder / "link2", follow_symlinks=False
    ),
    "hard link to a device": _link("null2", "null"),
    "joined by a link": _all(_remove("empty"), _link("empty", "file")),
    "character device": _node("zero", stat.S_IFCHR | 0o666, 1, 5),
    "block device": _node("disk", stat.S_IFBLK | 0o660, 8, 17),
    "great device number": _node("device", stat.S_IFCHR | 0o600, 4000, 1_000_000),
    "fifo": _node("pipe", stat.S_IFIFO | 0o644),
    "socket": _socket,
    "device deleted": _remove("null"),
    "sparse": _sparse,
    "hole at the end": lambda folder: os.truncate(folder / "file", 1 << 20),
    "cut": lambda folder: os.truncate(folder / "file", 4),
    "odd names": _all(
        *(_write(name) for name in ("\udcff\udcfe", " ", "a\nb", "\x01", "-rf", "*", "ünïcode"))
    ),
    "longest name": _write(_LONG),
    "deeper than a path": _deep,
    "names around a folder's": _all(_write("dir.x"), _write("dir-x"), _write("dir!"), _write("di")),
    "chattr of no danger": lambda folder: _chattr(folder / "file", 0x40 | 0x80),
}


def _chattr(path: Path, flags: int) -> None:
    from dockcfgd.layers.attributes import set_flags  # noqa: PLC0415
    from dockcfgd.layers.folder import Spot  # noqa: PLC0415

    folder = os.open(path.parent, os.O_RDONLY)
    set_flags(Spot(folder, os.fsencode(path.name)), flags)
    os.close(folder)


# They make a file that cannot be removed any more, by whom does not know how.
PROTECTING: dict[str, Callable[[Path], None]] = {
    "immutable": lambda folder: _chattr(folder / "file", 0x10),
    "append-only": lambda folder: _chattr(folder / "file", 0x20),
    "immutable folder": lambda folder: _chattr(folder / "dir", 0x10),
    "immutable and linked": lambda folder: _chattr(folder / "one", 0x10),
}
