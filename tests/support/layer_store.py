"""A data-root with the layers of one image and of containers, as engines lay them out."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.layers.folder import Cursor, Spot
from dockcfgd.layers.place import Place, place_of
from dockcfgd.layers.removal import clear, remove

__all__ = ["LayerStore", "btrfs_folder", "need_mounts", "nested"]


def need_mounts() -> None:
    """Skip the test where it could not make overlays."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    if "overlay" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no overlay")


@contextlib.contextmanager
def btrfs_folder(folder: Path) -> Iterator[Path]:
    """Give a folder on a btrfs of its own, or skip."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("there is no mkfs.btrfs")
    image, mounted = folder / "image", folder / "btrfs"
    with image.open("wb") as file:
        file.truncate(1 << 30)
    mounted.mkdir()
    _call("mkfs.btrfs", "-q", str(image))
    if subprocess.run(["mount", "-o", "loop", image, mounted], check=False).returncode:
        pytest.skip("no loop device can be mounted")
    try:
        yield mounted
    finally:
        _call("umount", str(mounted))


@contextlib.contextmanager
def nested(top: Path, name: bytes, depth: int) -> Iterator[int]:
    """Give the deepest one of folders in each other, open; they go with the context."""
    with Cursor(os.fsencode(top)) as above, Cursor(os.fsencode(top)) as cursor:
        try:
            for _ in range(depth):
                os.mkdir(name, dir_fd=cursor.folder)
                cursor.down(name)
            yield cursor.folder
        finally:
            remove(Spot(above.folder, name))


class LayerStore:
    """Makes containers of the image in `base` for any driver below `root`. A context manager."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self._base = base
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Remove all of it."""
        with Cursor(os.fsencode(self.root)) as cursor:
            clear(cursor)

    def make(self, driver: str) -> Place:
        """Make a container that has not been started."""
        name = hashlib.sha256(f"{driver} {next(self._numbers)}".encode()).hexdigest()
        container = hashlib.sha256(name.encode()).hexdigest()
        match driver:
            case "vfs":
                self._copied(self.root / "vfs/dir", name)
            case "btrfs":
                self._snapshot(self.root / "btrfs/subvolumes", name)
            case _:
                self._upper(self.root / driver, name)
        folder = self.root / "image" / driver / "layerdb/mounts" / container
        folder.mkdir(parents=True)
        (folder / "mount-id").write_text(name)
        (folder / "init-id").write_text(f"{name}-init")
        (folder / "parent").write_text("sha256:" + "0" * 64)
        return place_of(str(self.root), driver, container)

    @contextlib.contextmanager
    def seen(self, place: Place) -> Iterator[Path]:
        """Give the folder that the container sees."""
        if place.driver in {"vfs", "btrfs"}:
            yield Path(place.tree)
            return
        folder = Path(place.tree).parent
        merged, work = folder / "merged", folder / "work"
        merged.mkdir()
        work.mkdir(exist_ok=True)
        lower = f"{place.base}:{self.root / place.driver / 'image' / 'diff'}"
        options = f"lowerdir={lower},upperdir={place.tree},workdir={work}"
        if place.driver == "fuse-overlayfs":
            _call("fuse-overlayfs", "-o", options, str(merged))
        else:
            options += ",index=off,redirect_dir=off,metacopy=off"
            _call("mount", "-t", "overlay", "overlay", "-o", options, str(merged))
        try:
            yield merged
        finally:
            _call("umount", str(merged))
            merged.rmdir()

    def _upper(self, folder: Path, name: str) -> None:
        image = folder / "image"
        if not image.exists():
            image.mkdir(parents=True)
            _call("cp", "-a", str(self._base), str(image / "diff"))
        init = folder / f"{name}-init"
        self._init(init / "diff")
        link = name[:26].upper()
        (init / "link").write_text(link)
        (folder / name / "diff").mkdir(parents=True)
        os.utime(folder / name / "diff", (1_700_000_000, 1_700_000_000))
        (folder / name / "lower").write_text(f"l/{link}:l/{'I' * 26}")

    def _copied(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        init = folder / f"{name}-init"
        _call("cp", "-a", str(self._base), str(init))
        self._init(init)
        _call("cp", "-a", str(init), str(folder / name))

    def _snapshot(self, folder: Path, name: str) -> None:
        image = folder / "image"
        if not image.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _call("btrfs", "-q", "subvolume", "create", str(image))
            _call("cp", "-a", f"{self._base}/.", str(image))
        init = folder / f"{name}-init"
        _call("btrfs", "-q", "subvolume", "snapshot", str(image), str(init))
        self._init(init)
        _call("btrfs", "-q", "subvolume", "snapshot", str(init), str(folder / name))

    def _init(self, folder: Path) -> None:
        """Do what the engine does in a container's init layer."""
        (folder / "etc").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for name in ("etc/hosts", "etc/hostname", ".dockerenv"):
            (folder / name).write_text("")
        for path in (*folder.glob("etc/host*"), folder / "etc", folder / ".dockerenv", folder):
            os.utime(path, (1_700_000_000, 1_700_000_000))


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr}")
