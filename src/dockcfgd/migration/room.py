"""How much room there is for a backup and in data-root, and what containers take of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, text
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.space import Room
from dockcfgd.model.errors import EngineFailure, FileFailure

if TYPE_CHECKING:
    from dockcfgd.ports import Containers, Files

__all__ = ["room_of", "same_filesystem", "written_by"]


def room_of(files: Files, *, directory: str, root: str) -> Room:
    """Look at the filesystems of a backup's directory and of data-root; FileFailure."""
    return Room(
        backup=files.free_bytes(directory),
        data_root=files.free_bytes(root),
        shared=_device(directory) == _device(root),
    )


def written_by(containers: Containers, document: Document) -> int:
    """Give the bytes that a container has written; none of one that has gone. EngineFailure."""
    try:
        # Where the engine cannot tell, it says -1.
        return max(containers.written(text(document, "Id")), 0)
    except EngineFailure:
        if find_container(containers, text(document, "Id")) is not None:
            raise
        return 0


def same_filesystem(first: str, second: str) -> bool:
    """Whether two folders, or their nearest parents that are there, lie on one filesystem."""
    return _device(first) == _device(second)


def _device(folder: str) -> int:
    """Give the device of a folder, or of the nearest one above it that exists."""
    path = Path(folder)
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return path.stat().st_dev
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="look at", path=folder, errno=error.errno or 0, why=why) from error
