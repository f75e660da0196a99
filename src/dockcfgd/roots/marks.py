"""What a copy of a data-root leaves in it of itself: whose it is, and what it has already.

TARGET/dockcfgd/copy.json     the data-root it is of, for which change, how far it is
TARGET/dockcfgd/copied.db     which files were whole, and on disk, when a pass ended (index.py)
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from dockcfgd.roots.index import forget_index
from dockcfgd.roots.stamp import stamp_of

__all__ = [
    "FOLDER",
    "Begun",
    "begun_of",
    "copy_begun",
    "forget",
    "write_begun",
]

FOLDER = "dockcfgd"
_MARK = f"{FOLDER}/copy.json"


@dataclass(frozen=True, slots=True)
class Begun:
    """A copy: of which data-root, by which change; whether its last pass was begun.

    `made`: the folder was not there before. `ended`: its inode and time of change when the last
    pass had ended; an engine that starts there changes them.
    """

    source: str = ""
    name: str = ""
    final: bool = False
    made: bool = False
    ended: str = ""


def copy_begun(target: str) -> Begun:
    """Give what is noted in a folder; of nothing where there is no note."""
    try:
        document = json.loads(Path(target, _MARK).read_bytes())
        return Begun(**document)
    except (OSError, ValueError, TypeError):
        return Begun()


def begun_of(target: str) -> str:
    """Give the data-root that a folder is a copy of, if no engine has used it since; else ""."""
    begun = copy_begun(target)
    return "" if begun.ended not in {"", stamp_of(target)} else begun.source


def write_begun(target: str, begun: Begun) -> None:
    """Note it durably. OSError."""
    _write(Path(target, _MARK), json.dumps(asdict(begun)))


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
