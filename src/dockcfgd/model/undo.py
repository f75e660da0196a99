"""The way back of the open transaction as what a program without a journal can do."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dockcfgd.model.deadline import Deadline
from dockcfgd.model.files import Tag, digest_of

__all__ = ["SCHEMA", "Before", "FileBack", "FolderBack", "Note", "RootBack", "WayBack"]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Before:
    """A file as it was: all that is needed to make it again."""

    content: bytes
    uid: int
    gid: int
    mode: int
    attributes: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileBack:
    """A managed file: how it was (None: not there), and every tag that is of our own making.

    `exact`: owner and mode are put back too, for the change may have given it others. `ours` are
    the contents that belong to `known`, where what somebody has changed in them can be told.
    """

    path: str
    before: Before | None
    known: tuple[Tag, ...]
    exact: bool = False
    ours: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderBack:
    """What a storage driver had in data-root `root`, moved to `folder` (migration/folders.py)."""

    root: str
    driver: str
    folder: str


@dataclass(frozen=True, slots=True)
class RootBack:
    """The data-root `source`, renamed to `target` by `name` (migration/renamed_root.py)."""

    source: str
    target: str
    name: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """All that has to be put back for the engine to start on the old state.

    `pid` is the dockcfgd at work on it. `deadline`: proven, and in force until then without
    anybody's word.
    """

    transaction: str
    pid: int
    files: tuple[FileBack, ...]
    folders: tuple[FolderBack, ...]
    reload_units: bool
    deadline: Deadline | None = None
    roots: tuple[RootBack, ...] = ()

    def to_json(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Give it as JSON; `names` says for each path in which file its old content is."""
        return {
            "schema": SCHEMA,
            "transaction": self.transaction,
            "pid": self.pid,
            **_deadline_to_json(self.deadline),
            "reload_units": self.reload_units,
            "files": [_file_to_json(one, names.get(one.path, "")) for one in self.files],
            "folders": [
                {"root": one.root, "driver": one.driver, "folder": one.folder}
                for one in self.folders
            ],
            "roots": [
                {"source": one.source, "target": one.target, "name": one.name} for one in self.roots
            ],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], contents: Mapping[str, bytes]) -> WayBack:
        """Give what `to_json` wrote; `contents` are the files that it names.

        ValueError, KeyError, TypeError or AttributeError where it is not whole.
        """
        if document["schema"] != SCHEMA:
            raise ValueError(f"it has schema {document['schema']}, this release knows {SCHEMA}")
        return cls(
            transaction=str(document["transaction"]),
            pid=int(document["pid"]),
            files=tuple(_file_from_json(one, contents) for one in document["files"]),
            folders=tuple(
                FolderBack(str(one["root"]), str(one["driver"]), str(one["folder"]))
                for one in document["folders"]
            ),
            reload_units=bool(document["reload_units"]),
            deadline=_deadline_from_json(document),
            roots=tuple(
                RootBack(str(one["source"]), str(one["target"]), str(one["name"]))
                for one in document.get("roots", ())
            ),
        )


@dataclass(frozen=True, slots=True)
class Note:
    """Left for dockcfgd by who went back in its stead.

    `invocation` is the engine's last one at that time: one with another began on the old state.
    `kept` are the files that somebody else had changed and that were left so.
    """

    transaction: str
    at: float
    invocation: str
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "schema": SCHEMA,
            "transaction": self.transaction,
            "at": self.at,
            "invocation": self.invocation,
            "kept": list(self.kept),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Note:
        """Give what `to_json` wrote; errors as of WayBack's."""
        return cls(
            transaction=str(document["transaction"]),
            at=float(document["at"]),
            invocation=str(document["invocation"]),
            kept=tuple(map(str, document["kept"])),
        )


def _deadline_to_json(deadline: Deadline | None) -> dict[str, Any]:
    """Give it with the time of day on its own, which is all that older releases read."""
    if deadline is None:
        return {"confirm_until": None}
    within = {
        "seconds": deadline.seconds,
        "boot": deadline.boot,
        "monotonic": deadline.monotonic,
    }
    return {"confirm_until": deadline.at, "confirm_within": within}


def _deadline_from_json(document: Mapping[str, Any]) -> Deadline | None:
    until, within = document["confirm_until"], document.get("confirm_within")
    if until is None:
        return None
    if within is None:
        return Deadline.by_time_of_day(float(until))
    return Deadline(
        seconds=float(within["seconds"]),
        at=float(until),
        boot=str(within["boot"]),
        monotonic=float(within["monotonic"]),
    )


def _file_to_json(back: FileBack, name: str) -> dict[str, Any]:
    before = back.before
    return {
        "path": back.path,
        "known": [[tag.digest, tag.uid, tag.gid, tag.mode] for tag in back.known],
        "exact": back.exact,
        "ours": [base64.b64encode(one).decode() for one in back.ours],
        "before": None
        if before is None
        else {
            "content": name,
            "digest": digest_of(before.content),
            "uid": before.uid,
            "gid": before.gid,
            "mode": before.mode,
            "attributes": {
                key: base64.b64encode(value).decode() for key, value in before.attributes.items()
            },
        },
    }


def _file_from_json(document: Mapping[str, Any], contents: Mapping[str, bytes]) -> FileBack:
    before = document["before"]
    if before is not None:
        content = contents[before["content"]]
        if digest_of(content) != before["digest"]:
            raise ValueError(f"the old content of {document['path']} is damaged")
        before = Before(
            content=content,
            uid=int(before["uid"]),
            gid=int(before["gid"]),
            mode=int(before["mode"]),
            attributes={
                str(key): base64.b64decode(value) for key, value in before["attributes"].items()
            },
        )
    known = tuple(
        Tag(str(digest), int(uid), int(gid), int(mode))
        for digest, uid, gid, mode in document["known"]
    )
    exact = bool(document.get("exact", False))
    ours = tuple(base64.b64decode(one) for one in document.get("ours", ()))
    return FileBack(str(document["path"]), before, known, exact, ours)
