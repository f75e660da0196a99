"""Folders that this process cannot write to although their filesystem can be written by now.

A sandboxed service sees mounts of its own. Each keeps the flag that the host's had when the service
was started: read-only then stays read-only, whatever is remounted outside, until it starts anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dockcfgd.roots.mounts import Mount, mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MountView"]


class MountView:
    """How this process saw the filesystems of some folders when it began.

    A process can grow outdated once only: one that begins afterwards sees them as they are.
    """

    def __init__(
        self, folders: Iterable[str], look: Callable[[], tuple[Mount, ...]] = mounts
    ) -> None:
        self._look = look
        self._closed = tuple(
            folder for folder, mount in self._seen(folders) if mount.filesystem_read_only
        )

    @property
    def closed(self) -> bool:
        """Whether any of them lay on a filesystem that nobody could write to."""
        return bool(self._closed)

    def outdated(self) -> str:
        """Name a folder that is read-only to this process alone by now; empty where none is."""
        for folder, mount in self._seen(self._closed):
            if mount.read_only and not mount.filesystem_read_only:
                return folder
        return ""

    def _seen(self, folders: Iterable[str]) -> list[tuple[str, Mount]]:
        if not (wanted := tuple(folders)):
            return []
        there = self._look()
        return [(folder, _uppermost(os.path.realpath(folder), there)) for folder in wanted]


def _uppermost(path: str, among: Iterable[Mount]) -> Mount:
    """Give the mount that decides whether a path can be written to; of two in one place the later.

    That of a sandbox covers the host's at the same place.
    """
    above = [one for one in among if f"{path}/".startswith(f"{one.point.rstrip('/')}/")]
    return max(reversed(above), key=lambda one: len(one.point))
