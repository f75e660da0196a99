"""How each form of a layer stores a deletion, a folder that starts empty, and attributes."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Protocol

from dockcfgd.layers.attributes import APPEND_ONLY, IMMUTABLE, Attributes
from dockcfgd.layers.entries import Entry
from dockcfgd.layers.errors import LayerRefused
from dockcfgd.layers.folder import Spot, parts_of
from dockcfgd.layers.overlay_reader import ESCAPE, OVERLAY, WHITEOUT
from dockcfgd.layers.place import Form
from dockcfgd.layers.removal import remove

__all__ = ["Style", "style_of"]

_ESCAPES_SINCE = (6, 7)
_PROTECTED = {IMMUTABLE: b"i", APPEND_ONLY: b"a"}
_HIDDEN_BY_FUSE = ("user.fuseoverlayfs.", "user.overlay.", "user.containers.", OVERLAY)


class Style(Protocol):
    """What a form of a layer does in its own way."""

    def delete(self, spot: Spot) -> None:
        """Make that nothing is seen at the spot."""

    def attributes(self, entry: Entry) -> Attributes:
        """Give the attributes to set; LayerRefused where the entry cannot be stored."""


def style_of(form: Form) -> Style:
    """Give the style of a form."""
    if form is Form.TREE:
        return _Tree()
    return _Overlay() if form is Form.OVERLAY else _FuseOverlay()


class _Tree:
    def delete(self, spot: Spot) -> None:
        remove(spot)

    def attributes(self, entry: Entry) -> Attributes:
        return entry.attributes


class _Overlay:
    def delete(self, spot: Spot) -> None:
        remove(spot)
        os.mknod(spot.name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=spot.folder)

    def attributes(self, entry: Entry) -> Attributes:
        if stat.S_ISCHR(entry.status.st_mode) and entry.status.st_rdev == 0:
            raise _refused(entry, "a character device 0:0 is a deletion there")
        xattrs = self._stored(entry)
        if entry.opaque:
            xattrs[f"{OVERLAY}opaque"] = b"y"
        flags = entry.flags & ~(IMMUTABLE | APPEND_ONLY)
        return replace(entry.attributes, xattrs=xattrs, flags=flags)

    def _stored(self, entry: Entry) -> dict[str, bytes]:
        own = [name for name in entry.xattrs if name.startswith(OVERLAY)]
        if own and _kernel() < _ESCAPES_SINCE:
            raise _refused(entry, f"it has the attribute {own[0]}, which is overlay's own")
        stored = {
            ESCAPE + name.removeprefix(OVERLAY) if name.startswith(OVERLAY) else name: value
            for name, value in entry.xattrs.items()
        }
        letters = b"".join(letter for flag, letter in _PROTECTED.items() if entry.flags & flag)
        return stored | ({f"{OVERLAY}protattr": letters} if letters else {})


class _FuseOverlay(_Overlay):
    def _stored(self, entry: Entry) -> dict[str, bytes]:
        if any(part.startswith(WHITEOUT) for part in parts_of(entry.path)[-1:]):
            raise _refused(entry, "a name that begins with .wh. is a deletion there")
        for name in entry.xattrs:
            if name.startswith(_HIDDEN_BY_FUSE):
                raise _refused(entry, f"it has the attribute {name}, which is fuse-overlayfs's own")
        if entry.flags & (IMMUTABLE | APPEND_ONLY):
            raise _refused(entry, "it is immutable or append-only (chattr +i, +a)")
        return dict(entry.xattrs)


def _refused(entry: Entry, why: str) -> LayerRefused:
    return LayerRefused(what="store", path="/" + os.fsdecode(entry.path), why=why)


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int("".join(letter for letter in minor if letter.isdigit()) or 0)
