"""One file tree, in memory or on a real filesystem, with what others do to it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from dockcfgd.adapters.files import HostFiles
from dockcfgd.ports import Files
from tests.fakes import FakeFiles

__all__ = ["FakeTree", "HostTree", "Tree", "mounted"]


class Tree(Protocol):
    """The files under test below `top`, and somebody else's hands."""

    top: str

    @property
    def files(self) -> Files: ...
    def put(self, path: str, content: bytes, *, mode: int = 0o644, owner: int = 0) -> None: ...
    def link(self, path: str, target: str) -> None: ...
    def folder(self, path: str) -> None: ...
    def special(self, path: str) -> None: ...
    def delete(self, path: str) -> None: ...
    def attribute(self, path: str, name: str, value: bytes | None = None) -> bytes: ...
    def is_link(self, path: str) -> bool: ...
    def fill(self) -> None: ...
    def forbid_writing(self) -> None: ...


class FakeTree:
    """In memory."""

    top = "/srv/tree"

    def __init__(self) -> None:
        self.fake = FakeFiles()
        self.fake.folder(self.top)

    @property
    def files(self) -> Files:
        return self.fake

    def put(self, path: str, content: bytes, *, mode: int = 0o644, owner: int = 0) -> None:
        self.fake.put(path, content, mode=mode, uid=owner, gid=owner)

    def link(self, path: str, target: str) -> None:
        self.fake.link(path, target)

    def folder(self, path: str) -> None:
        self.fake.folder(path)

    def special(self, path: str) -> None:
        self.fake.special(path)

    def delete(self, path: str) -> None:
        self.fake.delete(path)

    def attribute(self, path: str, name: str, value: bytes | None = None) -> bytes:
        if value is not None:
            self.fake.set_attribute(path, name, value)
        return dict(self.fake.file(path).attributes)[name]

    def is_link(self, path: str) -> bool:
        return self.fake.is_link(path)

    def fill(self) -> None:
        self.fake.trouble(errno.ENOSPC)

    def forbid_writing(self) -> None:
        self.fake.trouble(errno.EROFS)


class HostTree:
    """In a folder of the host; `mounted_at` is the filesystem of its own that it lies on."""

    def __init__(self, top: Path, *, mounted_at: Path | None = None) -> None:
        self.top = str(top)
        self._mounted_at = mounted_at

    @property
    def files(self) -> Files:
        return HostFiles()

    def put(self, path: str, content: bytes, *, mode: int = 0o644, owner: int = 0) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
        os.chown(path, owner, owner)
        Path(path).chmod(mode)

    def link(self, path: str, target: str) -> None:
        Path(path).symlink_to(target)

    def folder(self, path: str) -> None:
        Path(path).mkdir()

    def special(self, path: str) -> None:
        os.mkfifo(path)

    def delete(self, path: str) -> None:
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink()

    def attribute(self, path: str, name: str, value: bytes | None = None) -> bytes:
        if value is not None:
            os.setxattr(path, name, value)
        return os.getxattr(path, name)

    def is_link(self, path: str) -> bool:
        return Path(path).is_symlink()

    def fill(self) -> None:
        """Use up the space to the last block."""
        with Path(self.top, "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def forbid_writing(self) -> None:
        assert self._mounted_at is not None
        subprocess.run(["mount", "-o", "remount,ro", self._mounted_at], check=True)


@contextmanager
def mounted(kind: str, place: Path) -> Iterator[Path]:
    """Mount a small filesystem of its own for a test: tmpfs, or ext4 or btrfs from an image."""
    target = place / "mounted"
    target.mkdir()
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", kind, "-o", "size=2m", "none", target], check=True)
    else:
        image = place / "image"
        with image.open("wb") as file:
            file.truncate(128 * 1024 * 1024 if kind == "btrfs" else 16 * 1024 * 1024)
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)
