"""Data-roots that were moved from and are kept: a small file for each, until they are pruned.

    RECORDS/TRANSACTION.json    {"schema": 1, "kind": …, "path": …, "moved_to": …,
                                 "transaction": …, "at": seconds since 1970, "stamp": …}

`kind` is `data-root` where `path` may be removed as a whole, `users` where containers got other
users: then one of `path` and `moved_to` may lie in the other, and `belongings` are what was left.
`stamp` is the folder's inode and time of change: an engine that starts there changes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.roots import LeftBehind

__all__ = ["belongings", "forget", "left_behind", "note", "stamp_of"]

_SCHEMA, _ROOT, _USERS = 1, "data-root", "users"
_OTHERS = re.compile(r"\d+\.\d+|dockcfgd|lost\+found")


def left_behind(records: str) -> tuple[LeftBehind, ...]:
    """Give the data-roots that are kept, the oldest first; a file that cannot be read is none."""
    found = []
    for where in sorted(Path(records).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            document = json.loads(where.read_bytes())
            if document["schema"] == _SCHEMA and document["kind"] in {_ROOT, _USERS}:
                found.append(
                    LeftBehind(
                        path=str(document["path"]),
                        moved_to=str(document["moved_to"]),
                        transaction=str(document["transaction"]),
                        at=float(document["at"]),
                        stamp=str(document["stamp"]),
                    )
                )
    return tuple(sorted(found, key=lambda one: one.at))


def note(records: str, *, path: str, moved_to: str, transaction: str, at: float) -> None:
    """Note durably that a data-root is kept; FileFailure."""
    where = Path(records, f"{transaction}.json")
    document = {
        "schema": _SCHEMA,
        "kind": _USERS if _nested(path, moved_to) else _ROOT,
        "path": path,
        "moved_to": moved_to,
        "transaction": transaction,
        "at": at,
        "stamp": stamp_of(path),
    }
    try:
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = where.with_suffix(".part")
        with part.open("w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(where)
    except OSError as error:
        raise _failure("write", where, error) from error


def forget(records: str, *, path: str) -> None:
    """Remove what is noted of a data-root; nothing there is fine. FileFailure."""
    for one in left_behind(records):
        if one.path == path:
            where = Path(records, f"{one.transaction}.json")
            try:
                where.unlink(missing_ok=True)
            except OSError as error:
                raise _failure("remove", where, error) from error


def belongings(left: LeftBehind) -> tuple[str, ...]:
    """Give the paths of what was left and may be removed.

    The place itself, or what is in it where the engine in use has its own folder there, or did.
    """
    if not _nested(left.path, left.moved_to):
        return (left.path,)
    try:
        inner = sorted(Path(left.path).iterdir())
    except OSError:
        return ()
    if left.path.startswith(f"{left.moved_to}/"):
        return (left.path,)
    return tuple(str(one) for one in inner if not _OTHERS.fullmatch(one.name))


def _nested(one: str, other: str) -> bool:
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def stamp_of(path: str) -> str:
    """Give what tells a folder from what it is once something was made in it; "" for none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_ino}.{status.st_mtime_ns}"


def _failure(what: str, path: Path, error: OSError) -> FileFailure:
    why = error.strerror or str(error)
    return FileFailure(what=what, path=str(path), errno=error.errno or 0, why=why)
