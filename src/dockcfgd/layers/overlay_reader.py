"""Changes as the kernel's overlay and fuse-overlayfs keep them: the upper folder.

A character device 0:0 is a deletion and an attribute makes a folder hide what is below. What else
the kernel may keep there, a folder renamed by reference (redirect_dir) and a file with attributes
alone (metacopy), needs the layers below to be understood and is refused.

fuse-overlayfs also knows deletions as files named `.wh.NAME` and marks folders that hide what is
below with a file, besides several attributes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from dockcfgd.layers.attributes import APPEND_ONLY, IMMUTABLE, read_flags, read_xattrs
from dockcfgd.layers.entries import Deletion, Entry, Operation, measured
from dockcfgd.layers.errors import LayerRefused
from dockcfgd.layers.folder import Cursor, Spot, status_or_none, walk

__all__ = ["ESCAPE", "OPAQUE_FILES", "OVERLAY", "WHITEOUT", "FuseUpper", "OverlayUpper"]

OVERLAY = "trusted.overlay."
# From Linux 6.7 on a trusted.overlay.x that was set inside the overlay is kept with this prefix.
ESCAPE = "trusted.overlay.overlay."
WHITEOUT = b".wh."
OPAQUE_FILES = (b".wh..wh..opq", b".wh..opq")
_FUSE = ("user.fuseoverlayfs.", "user.overlay.", OVERLAY)
_FUSE_OPAQUE = ("user.fuseoverlayfs.opaque", "user.overlay.opaque", "trusted.overlay.opaque")
_BY_REFERENCE = {
    "redirect": (
        "a folder that was renamed by reference (overlay's redirect_dir); in the container, copy it"
        " (cp -a), remove it, and give the copy its name"
    ),
    # Opened for writing, if nothing is written, it gets the content (Linux, overlayfs.rst).
    "metacopy": (
        "a file whose content is not its own (overlay's metacopy); in the container, `: >> FILE`"
        " gives it one"
    ),
    "whiteout": "a deletion kept as an attribute",
}
_PROTECTION = {ord("i"): IMMUTABLE, ord("a"): APPEND_ONLY}


class OverlayUpper:
    """The changes in an upper folder of the kernel's overlay."""

    def __init__(self, tree: str) -> None:
        self._tree = os.fsencode(tree)

    def operations(self) -> Iterator[Operation]:
        """Give the operations in order."""
        first: dict[tuple[int, int], bytes] = {}
        with Cursor(self._tree) as cursor:
            for path, spot, status in walk(cursor):
                if self._hidden(spot):
                    continue
                if (deleted := self._deleted(spot, status)) is not None:
                    if deleted:
                        yield Deletion(path[: len(path) - len(spot.name)] + deleted)
                    continue
                same_as = None
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    same_as = first.setdefault((status.st_dev, status.st_ino), path)
                yield self._entry(path, spot, status, None if same_as == path else same_as)

    def measure(self) -> tuple[int, int]:
        """Count the operations and the bytes of content."""
        return measured(self.operations())

    def _hidden(self, spot: Spot) -> bool:  # noqa: ARG002  # as FuseUpper needs it
        return False

    def _deleted(self, spot: Spot, status: os.stat_result) -> bytes | None:
        """Give the name that is deleted by what lies there."""
        return spot.name if _is_whiteout(status) else None

    def _entry(
        self, path: bytes, spot: Spot, status: os.stat_result, same_as: bytes | None
    ) -> Entry:
        found = read_xattrs(spot)
        for name, what in _BY_REFERENCE.items():
            if OVERLAY + name in found:
                raise LayerRefused(what="copy", path=_shown(path), why=f"it is {what}")
        opaque = found.get(f"{OVERLAY}opaque", b"n")
        if opaque not in {b"y", b"n"}:
            raise LayerRefused(what="copy", path=_shown(path), why=f"it is opaque as {opaque!r}")
        flags = read_flags(spot, status)
        for letter in found.get(f"{OVERLAY}protattr", b""):
            flags |= _PROTECTION.get(letter, 0)
        kept = {_unescaped(name): value for name, value in found.items() if not _own(name)}
        return Entry(path, spot, status, kept, flags, same_as, opaque == b"y")


class FuseUpper(OverlayUpper):
    """The changes in an upper folder of fuse-overlayfs."""

    def _hidden(self, spot: Spot) -> bool:
        return spot.name in OPAQUE_FILES

    def _deleted(self, spot: Spot, status: os.stat_result) -> bytes | None:
        if _is_whiteout(status):
            return spot.name
        if not spot.name.startswith(WHITEOUT):
            return None
        name = spot.name.removeprefix(WHITEOUT)
        # Where both are there, it was deleted and made again.
        return b"" if status_or_none(Spot(spot.folder, name)) else name

    def _entry(
        self, path: bytes, spot: Spot, status: os.stat_result, same_as: bytes | None
    ) -> Entry:
        found = read_xattrs(spot)
        for name in found:
            if name.endswith((".override_stat", ".override_containers")):
                raise LayerRefused(
                    what="copy", path=_shown(path), why=f"its owner is kept aside, in {name}"
                )
        opaque = stat.S_ISDIR(status.st_mode) and (
            any(found.get(name) == b"y" for name in _FUSE_OPAQUE) or self._marked(spot)
        )
        kept = {name: value for name, value in found.items() if not name.startswith(_FUSE)}
        return Entry(path, spot, status, kept, read_flags(spot, status), same_as, opaque)

    def _marked(self, spot: Spot) -> bool:
        if status_or_none(Spot(spot.folder, WHITEOUT + spot.name)):
            return True
        with Cursor(spot.path) as inside:
            return any(status_or_none(Spot(inside.folder, name)) for name in OPAQUE_FILES)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _own(name: str) -> bool:
    return name.startswith(OVERLAY) and not name.startswith(ESCAPE)


def _unescaped(name: str) -> str:
    return OVERLAY + name.removeprefix(ESCAPE) if name.startswith(ESCAPE) else name


def _shown(path: bytes) -> str:
    return "/" + os.fsdecode(path)
