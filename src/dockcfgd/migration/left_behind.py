"""Data-roots that were moved from and are kept: a small file for each, until they are pruned.

    RECORDS/TRANSACTION.json    {"schema": 1, "kind": …, "path": …, "moved_to": …,
                                 "transaction": …, "at": seconds since 1970, "stamp": …,
                                 "freeing": …}

`kind` is `data-root` where `path` may be removed as a whole, `users` where containers got other
users: then one of `path` and `moved_to` may lie in the other, and `belongings` are what was left.
`stamp` is the folder's inode and time of change: an engine that starts there changes it. Removing
what is in it does so too: `freeing`, true, is noted before, and the stamp tells nothing from then
on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict
from pathlib import Path

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.roots import LeftBehind
from dockcfgd.roots.mounts import below_apart, mounts
from dockcfgd.roots.stamp import stamp_of

__all__ = [
    "belongings",
    "forget",
    "in_use",
    "keep",
    "left_behind",
    "note",
    "why_not_freed",
]

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
                        freeing=document.get("freeing") is True,
                    )
                )
    return tuple(sorted(found, key=lambda one: one.at))


def note(records: str, *, path: str, moved_to: str, transaction: str, at: float) -> None:
    """Note durably that a data-root is kept, in the place of all that was noted of it before.

    FileFailure.
    """
    keep(records, LeftBehind(path, moved_to, transaction, at, stamp_of(path)))
    forget(records, path=path, but=transaction)


def keep(records: str, left: LeftBehind) -> None:
    """Write durably what is noted of a data-root, as it is given; FileFailure."""
    where = Path(records, f"{left.transaction}.json")
    kind = _USERS if _nested(left.path, left.moved_to) else _ROOT
    document = {"schema": _SCHEMA, "kind": kind, **asdict(left)}
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


def forget(records: str, *, path: str, but: str = "") -> None:
    """Remove what is noted of a data-root, `but` of one transaction; nothing there is fine.

    FileFailure.
    """
    for one in left_behind(records):
        if one.path == path and one.transaction != but:
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


def in_use(left: LeftBehind, root: str) -> str:
    """Say how the data-root in use, `root`, needs what was left; empty where it does not."""
    root = root.rstrip("/")
    if root == left.path:
        return "it is the data-root in use"
    if any(f"{root}/".startswith(f"{one}/") for one in belongings(left)):
        return f"the data-root in use, {root}, lies in it"
    return ""


def why_not_freed(left: LeftBehind, root: str) -> str:
    """Say why what was left must not be removed, `root` being in use; empty where it may be.

    What is not there any more may be.
    """
    if why := in_use(left, root):
        return why
    if not left.freeing and stamp_of(left.path) not in {"", left.stamp}:
        return "it was used again since"
    mounted = below_apart(left.path, left.moved_to, mounts())
    return f"{mounted[0].point} is mounted" if mounted else ""


def _nested(one: str, other: str) -> bool:
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _failure(what: str, path: Path, error: OSError) -> FileFailure:
    why = error.strerror or str(error)
    return FileFailure(what=what, path=str(path), errno=error.errno or 0, why=why)
