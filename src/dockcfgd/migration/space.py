"""How much room a migration takes, and whether it is there. Pure.

Saving and loading both stage the whole uncompressed content below data-root. vfs keeps a full copy
for every layer of every image and two more for a container; the others store a layer once. What
containers have written is copied too, and goes into the backup.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, flag, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockcfgd.migration.inventory import Image, Inventory

__all__ = [
    "BackupNeed",
    "Need",
    "Room",
    "Way",
    "Written",
    "backup_refusal",
    "content_size",
    "copies_of_layer",
    "estimate",
    "files_wanted",
    "inode_refusal",
    "layer_sizes",
    "refusal",
    "restore_refusal",
    "store_need",
    "store_refusal",
]

_COPYING = frozenset({"vfs", "native"})
_COPIES_OF_A_CONTAINER = 2
_COPIES_OF_A_COMMITTED_ONE = 3
# The engine's commit, what is staged of it, and the layer on the new driver.
_COPIES_MADE_ANEW = 3
_MARGIN = 64 * 1024 * 1024
_FILE_SYSTEM_SHARE = 20
_MARGIN_FILES = 1000
_MAKE_ROOM = "docker system df shows what takes it, docker image prune -a frees unused images"
_OR_ELSEWHERE = f"{_MAKE_ROOM}, and backup.directory may be on another filesystem"
_FEWER_BACKUPS = "dockcfgctl backup prune removes older ones, and backup.directory may be elsewhere"


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that are wanted: for the backup's folder, and in data-root at the worst moment.

    What the old driver holds stays where it is and is not part of it. `written` is what of it
    containers have written, counted once.
    """

    backup: int
    data_root: int
    written: int = 0


class Way(Enum):
    """How containers come to another driver."""

    IN_PLACE = auto()
    ANEW = auto()


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that containers have written, and those that the copies of it take in data-root."""

    bytes: int = 0
    copies: int = 0


@dataclass(frozen=True, slots=True)
class BackupNeed:
    """Bytes that a backup holds at most, before they are compressed."""

    images: int
    layers: int
    volumes: int

    @property
    def backup(self) -> int:
        """What the backup's folder may take."""
        return _with_margin(self.images + self.layers + self.volumes)

    @property
    def data_root(self) -> int:
        """What the engine may stage while it saves, beside the copies of writable layers."""
        return _with_margin(max(self.images, self.layers) + self.layers)


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that are free for the backup and in data-root, and whether that is the same room."""

    backup: int
    data_root: int
    shared: bool


def layer_sizes(image: Image, history: Iterable[Document]) -> tuple[int, ...]:
    """Give the sizes of an image's layers from the lowest, as its history (newest first) has them.

    Entries that made no layer cannot be told from empty layers; both count nothing.
    """
    sizes = [number(entry, "Size") for entry in history]
    filled = [size for size in reversed(sizes) if size > 0]
    if len(filled) > len(image.layers) or sum(filled) < image.size:
        filled = [image.size]
    return tuple(filled) + (0,) * (len(image.layers) - len(filled))


def estimate(
    inventory: Inventory,
    sizes: Mapping[str, Sequence[int]],
    *,
    target_driver: str,
    written: Written,
) -> Need:
    """Give what a migration needs; `sizes` are those of each image's layers, by its ID."""
    content = content_size(inventory.images, sizes)
    target = _on_target(inventory, sizes, target_driver)
    return Need(
        backup=_with_margin(content + written.bytes),
        data_root=_with_margin(content + target + written.copies),
        written=written.bytes,
    )


def copies_of_layer(container: Document, way: Way, *, target_driver: str, sharing: bool) -> int:
    """Give how often what a container has written comes to lie in data-root at the worst moment.

    `sharing`: files that are copied there share their blocks with what they are copied from.
    """
    if way is Way.IN_PLACE and not flag(container, "HostConfig", "AutoRemove"):
        return 0 if sharing else 1
    return _COPIES_MADE_ANEW + (_COPIES_OF_A_CONTAINER if target_driver in _COPYING else 0)


def store_need(
    inventory: Inventory,
    sizes: Mapping[str, Sequence[int]],
    *,
    snapshotter: str,
    written: int,
) -> int:
    """Give the bytes that containerd's store takes: images as they come, and unpacked.

    And what containers have `written`, where that is not counted in data-root.
    """
    content = Written(copies=written)
    return estimate(inventory, sizes, target_driver=snapshotter, written=content).data_root


def store_refusal(need: int, free: int, *, root: str, snapshotter: str, written: int) -> str:
    """Say why there is too little room in containerd's store; empty where there is enough."""
    if need <= free:
        return ""
    return (
        f"the filesystem of {root} has {_size(free)} free, and {_things(written)} take up to"
        f" {_size(need)} in containerd's store, images as they come and unpacked by {snapshotter};"
        f" {_MAKE_ROOM}"
    )


def files_wanted(
    inventory: Inventory, counts: Mapping[str, Sequence[int]], *, target_driver: str
) -> int:
    """Give how many files a migration makes; `counts` are those of each image's layers."""
    files = _on_target(inventory, counts, target_driver)
    return files + files // _FILE_SYSTEM_SHARE + _MARGIN_FILES


def _on_target(inventory: Inventory, sizes: Mapping[str, Sequence[int]], target_driver: str) -> int:
    """Give what images and containers take on a driver, in what `sizes` counts."""
    if target_driver not in _COPYING:
        return content_size(inventory.images, sizes)
    target = sum(whole for _, whole in dict(_chains(inventory.images, sizes)).values())
    whole = {image.id: sum(sizes.get(image.id, ())) for image in inventory.images}
    images = [text(container, "Image") for container in inventory.containers]
    copies = _COPIES_OF_A_CONTAINER + _COPIES_OF_A_COMMITTED_ONE
    return target + sum(copies * whole.get(image, 0) for image in images)


def content_size(images: Iterable[Image], sizes: Mapping[str, Sequence[int]]) -> int:
    """Give the bytes (or whatever `sizes` counts) of all layers, each counted once."""
    return sum(size for size, _ in dict(_chains(images, sizes)).values())


def refusal(need: Need, room: Room, *, directory: str, root: str, target_driver: str) -> str:
    """Say why there is too little room; empty where there is enough."""
    total = need.backup + need.data_root
    if room.shared and total > room.data_root:
        return (
            f"the filesystem of {root} and {directory} has {_size(room.data_root)} free, and the "
            f"backup ({_size(need.backup)}) and {_things(need.written)} on {target_driver} "
            f"({_size(need.data_root)}, docker's staging included) take {_size(total)}; "
            f"{_OR_ELSEWHERE}"
        )
    if not room.shared and need.backup > room.backup:
        return (
            f"the filesystem of {directory} has {_size(room.backup)} free, "
            f"and the backup of {_things(need.written)} takes up to {_size(need.backup)}; "
            f"{_FEWER_BACKUPS}"
        )
    if not room.shared and need.data_root > room.data_root:
        return (
            f"the filesystem of {root} has {_size(room.data_root)} free, and "
            f"{_things(need.written)} on {target_driver} take {_size(need.data_root)} "
            f"(docker's staging included); "
            f"{_MAKE_ROOM}"
        )
    return ""


def inode_refusal(wanted: int, free: int | None, *, root: str, target_driver: str) -> str:
    """Say why there are too few inodes; empty where there are enough, or no limit (None)."""
    if free is None or wanted <= free:
        return ""
    return (
        f"the filesystem of {root} has {free} inodes free (df -i {root}), and images and "
        f"containers on {target_driver} are up to {wanted} files; {_MAKE_ROOM}"
    )


def backup_refusal(need: BackupNeed, room: Room, *, directory: str, root: str) -> str:
    """Say why there is too little room for a backup; empty where there is enough."""
    parts = (
        f"images {_size(need.images)}, written by containers {_size(need.layers)}, "
        f"volumes {_size(need.volumes)}"
    )
    total = need.backup + need.data_root
    if room.shared and total > room.data_root:
        return (
            f"the filesystem of {root} and {directory} has {_size(room.data_root)} free, and the "
            f"backup takes up to {_size(need.backup)} ({parts}) and docker's staging "
            f"{_size(need.data_root)}; {_OR_ELSEWHERE}"
        )
    if not room.shared and need.backup > room.backup:
        return (
            f"the filesystem of {directory} has {_size(room.backup)} free, and the backup takes up "
            f"to {_size(need.backup)} ({parts}); {_FEWER_BACKUPS}"
        )
    if not room.shared and need.data_root > room.data_root:
        return (
            f"the filesystem of {root} has {_size(room.data_root)} free, and docker's staging "
            f"takes up to {_size(need.data_root)} while it saves; {_MAKE_ROOM}"
        )
    return ""


def restore_refusal(need: int, free: int, *, root: str, driver: str) -> str:
    """Say why there is too little room to restore `need` bytes; empty where there is enough."""
    wanted = _with_margin(need)
    if wanted <= free:
        return ""
    return (
        f"the filesystem of {root} has {_size(free)} free, and what is to be restored takes up to "
        f"{_size(wanted)} on {driver}, docker's staging included; {_MAKE_ROOM}"
    )


def _chains(
    images: Iterable[Image], sizes: Mapping[str, Sequence[int]]
) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    """Give each chain of layers once, with the size of its last layer and of the whole chain."""
    for image in images:
        whole = 0
        for count, size in enumerate(sizes.get(image.id, ()), start=1):
            whole += size
            yield image.layers[:count], (size, whole)


def _things(written: int) -> str:
    """Name what takes the room."""
    more = f" and what containers have written ({_size(written)})" if written else ""
    return f"the images{more}"


def _with_margin(content: int) -> int:
    return content + content // _FILE_SYSTEM_SHARE + _MARGIN


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
