"""Which files share their content by hard links, before and now."""

from __future__ import annotations

import os
import stat

__all__ = ["LinkGroups"]

_Key = tuple[int, int]


class LinkGroups:
    """Collects names while two trees are compared, and tells where links were made or broken."""

    def __init__(self) -> None:
        self._now: dict[_Key, list[tuple[bytes, _Key | None]]] = {}
        self._before: dict[_Key, list[tuple[bytes, _Key]]] = {}

    def add(self, path: bytes, now: os.stat_result, before: os.stat_result | None) -> None:
        """Note what is at `path` now, which is no folder, and what was there before."""
        key = (now.st_dev, now.st_ino)
        key_before = None
        if before is not None and before.st_nlink > 1 and not stat.S_ISDIR(before.st_mode):
            key_before = (before.st_dev, before.st_ino)
            self._before.setdefault(key_before, []).append((path, key))
        if now.st_nlink > 1:
            self._now.setdefault(key, []).append((path, key_before))

    def changed_with(self, changed: set[bytes]) -> set[bytes]:
        """Give the names that have to be made anew for the links to be right.

        Those that share a file with a name in `changed`, or with one that they did not share it
        with before. Of those that no longer share one, the most that still do stay as they are: it
        is the others that part from them.
        """
        found: set[bytes] = set()
        for before in self._before.values():
            parts: dict[_Key, list[bytes]] = {}
            for path, key in before:
                parts.setdefault(key, []).append(path)
            same = [key for key, part in parts.items() if changed.isdisjoint(part)]
            stays = max(same, key=lambda key: len(parts[key]), default=None)
            for key, part in parts.items():
                if key != stays:
                    found.update(part)
        for members in self._now.values():
            paths = [path for path, _ in members]
            origins = {key for _, key in members}
            joined = len(paths) > 1 and (len(origins) > 1 or None in origins)
            if joined or not (found.isdisjoint(paths) and changed.isdisjoint(paths)):
                found.update(paths)
        return found
