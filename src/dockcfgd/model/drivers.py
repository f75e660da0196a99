"""What the engine's storage is called here: a storage driver, or a snapshotter of containerd.

The engine and containerd have drivers and snapshotters of the same name: btrfs, zfs,
fuse-overlayfs. Here a driver has the engine's name and a snapshotter another one, so that none is
taken for the other. overlayfs and native, as which no driver goes, keep theirs: what earlier
releases wrote down has them.
"""

from __future__ import annotations

__all__ = ["BTRFS_SNAPSHOTTER", "SNAPSHOTTERS", "engine_name", "of_containerd"]

_PLAIN = frozenset({"overlayfs", "native"})
_PREFIX = "containerd-"

BTRFS_SNAPSHOTTER = f"{_PREFIX}btrfs"
"""The snapshotter whose layers are subvolumes of btrfs."""

SNAPSHOTTERS = _PLAIN | {BTRFS_SNAPSHOTTER}
"""Those that containers can be moved to and from."""


def of_containerd(name: str) -> str:
    """Give what a snapshotter is called here that containerd calls `name`; empty for none."""
    return name if not name or name in _PLAIN else f"{_PREFIX}{name}"


def engine_name(driver: str) -> str:
    """Give what the engine and containerd call a driver or a snapshotter.

    So it stands in /info, in daemon.json, in containerd's API and, as `Driver`, in the files of
    containers, which do not tell a driver's from a snapshotter's of the same name.
    """
    return driver.removeprefix(_PREFIX)
