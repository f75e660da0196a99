"""Files of which those that this user may not read are noted and taken to be absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.files import ABSENT, FileKind, FileState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.model.files import Tag
    from dockcfgd.ports import Files

__all__ = ["LenientFiles"]


class LenientFiles:
    """ports.Files that reads what it may. `unread` maps the others to the reasons.

    Nothing can be changed through it.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.unread: dict[str, str] = {}

    def read(self, path: str, *, limit: int = 16 * 1024 * 1024) -> FileState:
        """Look at the file; one that cannot be read counts as absent."""
        try:
            return self._files.read(path, limit=limit)
        except FileFailure as failure:
            self.unread[path] = str(failure)
            return FileState(path, FileKind.ABSENT, ABSENT)

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the names; none of a folder that cannot be listed."""
        try:
            return self._files.names(folder)
        except FileFailure as failure:
            self.unread[folder] = str(failure)
            return ()

    def attributes(self, path: str) -> dict[str, bytes]:
        """Give the extended attributes."""
        return self._files.attributes(path)

    def free_bytes(self, folder: str) -> int:
        """Give the free bytes."""
        return self._files.free_bytes(folder)

    def free_inodes(self, folder: str) -> int | None:
        """Give the free inodes."""
        return self._files.free_inodes(folder)

    def shares_blocks(self, folder: str) -> bool:
        """Tell whether copies can share blocks."""
        return self._files.shares_blocks(folder)

    def replace(
        self,
        path: str,
        content: bytes,
        *,
        expected: Sequence[Tag],
        fresh: Tag,
        attributes: Mapping[str, bytes] | None = None,
        exact: bool = False,
    ) -> Tag:
        """Refuse."""
        del content, expected, fresh, attributes, exact
        raise FileFailure(what="write", path=path, errno=0, why="only looking")

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None:
        """Refuse."""
        del expected
        raise FileFailure(what="remove", path=path, errno=0, why="only looking")
