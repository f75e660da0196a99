"""Copies ahead what an engine's containers have written, while it serves; a program.

    python3 -I -S first_copy.py JOB

JOB is the JSON of a FirstCopy (model/cargo.py), with `sources`, the place of each layer that
containerd has. What it copies goes below `staging`, for carry.py. All of it is looked at, also
where nothing is copied, so that what the target cannot store is told while containers run.
It says {"item": NAME, "done": CONTAINERS, "total": CONTAINERS} before each container and at
the end, one object a line, and ends with 0, or with 1 and a last line {"why": TEXT, "path": PATH}.
Killed, it leaves what the next carry can use or what goes with `staging`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from dockcfgd.layers.ahead import USUAL, SharesBlocks, Transfer, copy_ahead
from dockcfgd.layers.copying import changes_of
from dockcfgd.layers.entries import Changes
from dockcfgd.layers.errors import UnknownFormat
from dockcfgd.layers.place import Place, form_of, place_of
from dockcfgd.layers.staying import ahead_of, staying
from dockcfgd.layers.styles import Style, style_of
from dockcfgd.model.errors import DockcfgdError
from dockcfgd.mount_points import mount_points

__all__ = ["Filesystem", "filesystem_of", "first_copy", "main"]

# Where a write through a mapping shows in a file's ctime; not so in memory (tmpfs).
_TELLING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"})
# A filesystem's clock may lag behind the one that is asked.
_DOUBT_NS = 2_000_000_000
# No file is older, so that none is copied.
_NEVER = 0

Say = Callable[[dict[str, Any]], None]


def filesystem_of(path: str) -> str:
    """Give the kind of filesystem that a folder lies on, by the mount it is reached through."""
    above = os.path.realpath(path) + "/"
    found, longest = "", 0
    for where, kind in mount_points():
        point = where.rstrip("/") + "/"
        if above.startswith(point) and len(point) >= longest:
            found, longest = kind, len(point)
    return found


@dataclass(frozen=True, slots=True)
class Filesystem:
    """What lies below: the kind of filesystem at a path, how far its clock may lag, in ns."""

    kind_of: Callable[[str], str] = filesystem_of
    doubt_ns: int = _DOUBT_NS
    transfer: Transfer = USUAL


_HERE = Filesystem()


def main(path: str) -> int:
    """Do the job in the file `path`."""
    try:
        first_copy(json.loads(Path(path).read_bytes()), say=_say)
    except (DockcfgdError, ValueError, KeyError) as error:
        _say({"why": str(error) or repr(error)})
    except OSError as error:
        _say({"why": error.strerror or str(error), "path": str(error.filename or "")})
    else:
        return 0
    return 1


def first_copy(job: dict[str, Any], *, say: Say, filesystem: Filesystem = _HERE) -> None:
    """Do a job. Raises LayerRefused where a layer cannot be stored on the target, OSError."""
    root, driver, staging = str(job["root"]), str(job["driver"]), str(job["staging"])
    style = style_of(form_of(str(job["target"])))
    given = {key: Place.from_document(one["place"]) for key, one in job["sources"].items()}
    where = next(iter(given.values())).root if given else root
    # Elsewhere all is copied while the engine is stopped.
    known = filesystem.kind_of(where) in _TELLING
    until = time.time_ns() - filesystem.doubt_ns if known else _NEVER
    # From here on whoever writes through a mapping has to ask the filesystem again.
    os.sync()
    there = sorted(staying(Path(root), driver).items())
    for done, (identity, name) in enumerate(there):
        say({"item": name, "done": done, "total": len(there)})
        try:
            changes = changes_of(given.get(identity) or place_of(root, driver, identity))
        except (UnknownFormat, FileNotFoundError):
            continue  # it was removed, or carry.py says what is wrong
        folder = ahead_of(staging, identity)
        until = _go_through(changes, style, folder, until=until, transfer=filesystem.transfer)
    # Not in the outage: what was written for it, the images too.
    os.sync()
    say({"item": "", "done": len(there), "total": len(there)})


def _go_through(
    changes: Changes, style: Style, folder: str, *, until: int, transfer: Transfer
) -> int:
    """Do what `copy_ahead` does; give the `until` of the next layer."""
    try:
        copy_ahead(changes, style, folder, until=until, transfer=transfer)
    except SharesBlocks:
        # From its beginning, as it was broken off at the first larger file.
        copy_ahead(changes, style, folder, until=_NEVER, transfer=transfer)
        return _NEVER
    return until


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)  # noqa: T201 -- this is its output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
