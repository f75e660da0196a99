"""What a storage driver had, kept since a change went to another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json

__all__ = [
    "RECORD",
    "Freed",
    "KeptStorage",
    "Ran",
    "SupersededStorage",
    "record_from_text",
    "record_to_text",
]

RECORD = "kept-storage"
"""The name that the record has in the state file."""

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """A container that was active, and how (`running`, `paused`)."""

    id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Freed:
    """What deleting folders gave back: bytes on disk, and subvolumes, whose bytes nobody counted.

    `left` are the paths that could not be deleted, each with the reason.
    """

    bytes: int = 0
    subvolumes: int = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SupersededStorage:
    """Data of a driver that an even later change left behind: it can only be freed."""

    driver: str
    root: str


@dataclass(frozen=True, slots=True)
class KeptStorage:
    """The state of the storage before the newest change of it that applied.

    `driver` was in use, `successor` is since the moment `since`, by `transaction`, which made
    `generation`. Its data lies in data-root `root` where the driver has it, or, where it was
    `moved`, in `folder`; in there too are the files of containers as they were, and what the
    successor had from an earlier time.

    `running` are the containers that ran, those with `--rm` left out, which are described in the
    folder `disposable`. `backup` in `directory` was made by the change, "" where it made none.
    `options` are the storage-opts that were set, None for none. `freeing`: it is being freed, and
    cannot be gone back to any more.
    """

    driver: str
    successor: str
    root: str
    folder: str
    transaction: str
    generation: int = 0
    since: float = 0.0
    moved: bool = False
    backup: str = ""
    directory: str = ""
    running: tuple[Ran, ...] = ()
    options: tuple[str, ...] | None = None
    disposable: str = ""
    freeing: bool = False
    superseded: tuple[SupersededStorage, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Give it for the state file."""
        return cast("dict[str, Json]", asdict(self))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> KeptStorage:
        """Read what `to_json` gave; KeyError or TypeError where it is not that."""
        given = dict(document)
        options = given.get("options")
        given["running"] = tuple(Ran(**one) for one in given.get("running", ()))
        given["options"] = None if options is None else tuple(map(str, options))
        given["superseded"] = tuple(SupersededStorage(**one) for one in given.get("superseded", ()))
        return cls(**given)


def record_to_text(kept: KeptStorage) -> str:
    """Give the record of what is kept: the one place that says so."""
    return json.dumps({"schema": SCHEMA, "kept": kept.to_json()})


def record_from_text(text: str) -> KeptStorage | None:
    """Read a record; None where there is none (an empty text), or one of another release."""
    document = json.loads(text) if text else {}
    return KeptStorage.from_json(document["kept"]) if document.get("schema") == SCHEMA else None
