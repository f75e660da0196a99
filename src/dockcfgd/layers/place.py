"""Where a container's writable layer lies on disk, by storage driver."""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass
from typing import Any

from dockcfgd.layers.errors import UnknownFormat
from dockcfgd.model.drivers import BTRFS_SNAPSHOTTER, SNAPSHOTTERS

__all__ = ["DRIVERS", "SNAPSHOTTERS", "Form", "Place", "form_of", "place_of"]


class Form(enum.Enum):
    """How a driver stores what a container changed."""

    OVERLAY = "overlay"
    FUSE_OVERLAY = "fuse-overlay"
    TREE = "tree"


_FORMS = {
    "overlay2": Form.OVERLAY,
    "overlayfs": Form.OVERLAY,
    "fuse-overlayfs": Form.FUSE_OVERLAY,
    "vfs": Form.TREE,
    "btrfs": Form.TREE,
    "native": Form.TREE,
    BTRFS_SNAPSHOTTER: Form.TREE,
}
_PATTERNS = {
    "overlay2": "overlay2/{}/diff",
    "overlayfs": "snapshots/{}/fs",
    "fuse-overlayfs": "fuse-overlayfs/{}/diff",
    "vfs": "vfs/dir/{}",
    "btrfs": "btrfs/subvolumes/{}",
    "native": "snapshots/{}",
    BTRFS_SNAPSHOTTER: "{}",
}
DRIVERS = frozenset({"overlay2", "fuse-overlayfs", "vfs", "btrfs"})
_SUBVOLUME_INODE = 256
_ID = re.compile(r"[0-9a-f]{64}")
_CHAIN = re.compile(r"sha256:[0-9a-f]{64}")
_LINK = re.compile(r"[A-Z0-9]{26}")


@dataclass(frozen=True, slots=True)
class Place:
    """The writable layer of one container.

    `driver` is one of `DRIVERS`, with the engine's data-root as `root`, or a snapshotter of
    containerd (model.drivers) with that snapshotter's own folder as `root`, the snapshot's number
    as `mount_id` and its parent's as `init_id`, on btrfs with the folder that it is in
    (`active/7`, `snapshots/6`).

    `made_ns` is when the engine had made the layer, before the container first started, in
    nanoseconds since 1970; 0 where that is not known. What a whole tree holds that has not changed
    since then need not be read to know that it is as it was.
    """

    driver: str
    root: str
    mount_id: str
    init_id: str
    made_ns: int = 0

    @property
    def form(self) -> Form:
        """How the driver stores changes."""
        return _FORMS[self.driver]

    @property
    def tree(self) -> str:
        """The folder that holds the layer: changes alone, or the whole tree."""
        return os.path.join(self.root, _PATTERNS[self.driver].format(self.mount_id))

    @property
    def base(self) -> str:
        """The folder of the layer below it, which the engine made for this container."""
        return os.path.join(self.root, _PATTERNS[self.driver].format(self.init_id))

    def document(self) -> dict[str, Any]:
        """Give the place as what `from_document` reads, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_document(cls, document: dict[str, Any], /) -> Place:
        """Read what `document` gave; KeyError, TypeError or ValueError where it is not that."""
        place = cls(
            **{name: str(document[name]) for name in ("driver", "root", "mount_id", "init_id")},
            made_ns=int(document["made_ns"]),
        )
        if place.driver not in _FORMS:
            raise ValueError(f"no known driver: {place.driver}")
        return place


def form_of(driver: str) -> Form:
    """Give how a driver stores changes; KeyError where that is not known."""
    return _FORMS[driver]


def place_of(root: str, driver: str, container: str) -> Place:
    """Find the writable layer of the container with the full ID `container` below a data-root.

    Raises UnknownFormat where anything about the engine's files is not as in the releases that this
    was made for, or FileFailure's cause, an OSError, where they cannot be read. Both engines may
    run: nothing is changed. A folder of `layerdb/mounts` that is given to another container must be
    renamed and not copied, as its time is read as `made_ns`.
    """
    finder = _Finder(root=root, driver=driver, container=container)
    return finder.place()


@dataclass(frozen=True, slots=True)
class _Finder:
    root: str
    driver: str
    container: str

    def place(self) -> Place:
        if self.driver not in DRIVERS:
            raise self._unknown(self.root, f"storage driver {self.driver} is not supported")
        if not _ID.fullmatch(self.container):
            raise self._unknown(self.root, "not a full container ID")
        folder = os.path.join(self.root, "image", self.driver, "layerdb/mounts", self.container)
        self._need(os.path.isdir(folder), folder, "there is no such folder")
        names = set(os.listdir(folder))
        if extra := names - {"mount-id", "init-id", "parent"}:
            raise self._unknown(folder, f"unknown file {min(extra)}")
        mount_id, init_id = self._text(folder, "mount-id"), self._text(folder, "init-id")
        self._need(bool(_ID.fullmatch(mount_id)), folder, "mount-id holds no ID")
        self._need(init_id == f"{mount_id}-init", folder, "init-id is not mount-id with -init")
        if "parent" in names:
            parent = self._text(folder, "parent")
            self._need(bool(_CHAIN.fullmatch(parent)), folder, "parent holds no chain ID")
        made = os.stat(os.path.join(folder, "mount-id")).st_mtime_ns
        place = Place(self.driver, self.root, mount_id, init_id, made)
        self._check(place)
        return place

    def _check(self, place: Place) -> None:
        for path in (place.tree, place.base):
            self._need(os.path.isdir(path) and not os.path.islink(path), path, "it is no folder")
        if place.form is not Form.TREE:
            self._check_lowers(place)
        elif place.driver == "btrfs":
            for path in (place.tree, place.base):
                inode = os.stat(path).st_ino
                self._need(inode == _SUBVOLUME_INODE, path, "it is no subvolume")

    def _check_lowers(self, place: Place) -> None:
        """Hold that the layer lies right on its own init layer."""
        folder, base = os.path.dirname(place.tree), os.path.dirname(place.base)
        self._need(_LINK.fullmatch(self._text(base, "link")) is not None, base, "link is no link")
        lowest = self._text(folder, "lower").split(":")[0]
        expected = f"l/{self._text(base, 'link')}"
        self._need(lowest == expected, folder, "its first lower layer is not its init layer")

    def _text(self, folder: str, name: str) -> str:
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return file.read(1 << 16).strip()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
            raise self._unknown(folder, f"there is no readable {name}") from error

    def _need(self, holds: bool, path: str, why: str) -> None:  # noqa: FBT001  # an assertion
        if not holds:
            raise self._unknown(path, why)

    def _unknown(self, path: str, why: str) -> UnknownFormat:
        return UnknownFormat(container=self.container, path=path, why=why)
