"""What a copy of a data-root leaves in it of itself: whose it is, and what it has already.

TARGET/dockcfgd/copy.json     the data-root it is of, for which change, how far it is
TARGET/dockcfgd/copied.json   which files were whole, and on disk, when a pass ended
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = [
    "FOLDER",
    "Begun",
    "copy_begun",
    "forget",
    "forget_index",
    "read_index",
    "write_begun",
    "write_index",
]

FOLDER = "dockcfgd"
_MARK, _INDEX = f"{FOLDER}/copy.json", f"{FOLDER}/copied.json"

# By path: inode, time of last change, flags.
Index = dict[bytes, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Begun:
    """A copy: of which data-root, by which change; whether its last pass was begun.

    `made`: the folder was not there before.
    """

    source: str = ""
    name: str = ""
    final: bool = False
    made: bool = False


def copy_begun(target: str) -> Begun:
    """Give what is noted in a folder; of nothing where there is no note."""
    try:
        document = json.loads(Path(target, _MARK).read_bytes())
        return Begun(**document)
    except (OSError, ValueError, TypeError):
        return Begun()


def write_begun(target: str, begun: Begun) -> None:
    """Note it durably. OSError."""
    _write(Path(target, _MARK), json.dumps(asdict(begun)))


def read_index(target: str) -> Index:
    """Give what was whole when the last pass ended; nothing where that is not known."""
    try:
        document = json.loads(Path(target, _INDEX).read_bytes())
        return {os.fsencode(path): (one[0], one[1], one[2]) for path, one in document.items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}


def write_index(target: str, index: Index) -> None:
    """Note it, what it names being on disk. OSError."""
    text = json.dumps({os.fsdecode(path): one for path, one in index.items()})
    _write(Path(target, _INDEX), text)


def forget_index(target: str) -> None:
    """Remove it; nothing there is fine. OSError."""
    Path(target, _INDEX).unlink(missing_ok=True)


def forget(target: str) -> None:
    """Remove all that is noted, and its folder unless something else is in it. OSError."""
    forget_index(target)
    Path(target, _MARK).unlink(missing_ok=True)
    for part in Path(target, FOLDER).glob("cop*.part"):
        part.unlink()
    with contextlib.suppress(OSError):
        Path(target, FOLDER).rmdir()


def _write(where: Path, text: str) -> None:
    where.parent.mkdir(mode=0o700, exist_ok=True)
    part = where.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(where)
    for folder in (where.parent, where.parent.parent):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
