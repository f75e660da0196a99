"""What a test machine's files lie on: an overlay over a root, and the engine's data beside it.

An overlay cannot carry overlay2, so /var/lib/docker and /var/lib/containerd are bound from plain
folders, either of the host's filesystem or of an image of its own.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Literal, get_args

from roots import MachineError

__all__ = ["Disk", "Filesystem", "unmount_below"]

Filesystem = Literal["host", "ext4", "xfs", "btrfs", "ext4-without-d_type"]

_MAKE: dict[Filesystem, list[str]] = {
    "ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
    # xfs with ftype=0 is refused by new kernels.
    "ext4-without-d_type": ["mkfs.ext4", "-q", "-O", "^filetype"],
}

# They forget un-synced bytes on request, and an overlay accepts them as its upper layer.
_CUT_OFF: tuple[Filesystem, ...] = ("ext4", "xfs")

_UNMOUNT_SECONDS = 10.0


class Disk:
    """The mounted files of one machine, below *folder*, which must exist.

    With "ext4" and "xfs" everything the machine writes lies on the image, so that
    `lose_unsynced` is the truth for the whole machine; with the others the image holds the
    engine's data only.
    """

    def __init__(self, folder: Path, *, base: Path, filesystem: Filesystem, size_mb: int) -> None:
        if filesystem not in get_args(Filesystem):
            raise ValueError(f"cannot make a disk: unknown filesystem {filesystem!r}")
        self.filesystem = filesystem
        self.root = folder / "root"
        self._folder = folder
        self._base = base
        self._image = folder / "image"
        self._disk = folder / "disk"
        self._size_mb = size_mb
        self._written = self._disk if filesystem in _CUT_OFF else folder / "written"
        self._data = self._disk / "data" if filesystem != "host" else folder / "data"

    def make(self) -> None:
        """Make the empty disk and mount it."""
        # A mount namespace made later holds a copy of what is mounted now. Below a shared mount
        # the copies go when the original goes; else they would keep the filesystem busy for as
        # long as any other machine runs.
        _call("mount", "--bind", str(self._folder), str(self._folder))
        _call("mount", "--make-private", str(self._folder))
        _call("mount", "--make-shared", str(self._folder))
        for path in (self.root, self._disk):
            path.mkdir()
        if self.filesystem != "host":
            with self._image.open("wb") as image:
                image.truncate(self._size_mb << 20)
            _call(*_MAKE[self.filesystem], str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount what `unmount` took away."""
        if self.filesystem != "host":
            _call("mount", "-o", "loop", str(self._image), str(self._disk))
        upper, work = self._written / "upper", self._written / "work"
        for path in (upper, work, self._data):
            path.mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={self._base},upperdir={upper},workdir={work}"
        _call("mount", "-t", "overlay", "-o", options, "overlay", str(self.root))

    def unmount(self) -> None:
        """Unmount the overlay and the image; nothing may run on them."""
        for path in (self.root, self._disk):
            unmount_below(path)

    def lose_unsynced(self) -> None:
        """Cut the filesystem off: from now on nothing reaches the image, and all writes fail."""
        if self.filesystem not in _CUT_OFF:
            raise ValueError(
                f"cannot cut the power: the disk is {self.filesystem}, not ext4 or xfs"
            )
        _call("xfs_io", "-x", "-c", "shutdown", str(self._disk))

    @property
    def device(self) -> Path | None:
        """Return the device that the image is mounted from, None where there is no image."""
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            left, _, right = line.partition(" - ")
            if left.split()[4] == str(self._disk):
                return Path(right.split()[1])
        return None

    def data_folder(self, name: str) -> Path:
        """Return a folder beside the overlay, made if need be."""
        folder = self._data / name
        folder.mkdir(exist_ok=True)
        return folder


def unmount_below(folder: Path) -> None:
    """Unmount everything at and below *folder*, the newest mount first.

    What is still busy after ten seconds is detached: its users keep it until they end.
    """
    deadline = time.monotonic() + _UNMOUNT_SECONDS
    while mounts := _mounts_below(folder):
        command = ["umount", str(mounts[-1])]
        if time.monotonic() > deadline:
            command.insert(1, "--lazy")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            time.sleep(0.05)


def _mounts_below(folder: Path) -> list[Path]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        path = Path(line.split()[4])
        if path == folder or folder in path.parents:
            found.append(path)
    return found


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MachineError(f"cannot make a disk: {error}") from error
    if done.returncode != 0:
        raise MachineError(f"cannot make a disk: {' '.join(command)}: {done.stderr.strip()}")
