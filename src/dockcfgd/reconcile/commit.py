"""What makes a proven transaction final.

Files dropped by `apply` copied, the generation marked as in force.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dockcfgd.model.errors import DockcfgdError
from dockcfgd.model.files import Tag
from dockcfgd.model.kept import KeptStorage
from dockcfgd.planning.target import Target

if TYPE_CHECKING:
    from dockcfgd.history import History, Unread
    from dockcfgd.model.desired import Json
    from dockcfgd.model.files import FileState
    from dockcfgd.ports import Files

__all__ = ["Commit"]

_UNPROVEN = "written for the next start of the engine, which is down, and proven then"


@dataclass(frozen=True, slots=True)
class Commit:
    """The last act of a transaction.

    Journalled with it, so that a crash in between is finished forwards. `digest` is that of the
    desired state it makes true, `on_disk` that of the files that lay there when it began.
    `daemon_json` is the managed file's path, `engine` the engine's version.
    `kept` is what a change of the storage leaves behind. `in_force`: the engine then surely runs
    all of it, also what it does not show; `unread`: no engine ran, the next one reads it. `ran` is
    the engine's newest run when it began.
    """

    target: Target
    files: tuple[tuple[str, str], ...]
    folder: str
    digest: str
    daemon_json: str
    engine: str
    held: str = ""
    in_force: bool = False
    unread: bool = False
    ran: str = ""
    on_disk: str = ""
    kept: KeptStorage | None = None

    @property
    def proviso(self) -> str | None:
        """What has still to be said where it is done."""
        return _UNPROVEN if self.unread else None

    def to_json(self) -> dict[str, Json]:
        """Give it for the journal."""
        target = self.target
        return {
            "document": target.document,
            "drop_in": _encoded(target.drop_in),
            "managed": [list(path) for path in sorted(target.managed)],
            "owns_drop_in": target.owns_drop_in,
            "files": [[name, text] for name, text in self.files],
            "folder": self.folder,
            "digest": self.digest,
            "held": self.held,
            "in_force": self.in_force,
            "unread": self.unread,
            "ran": self.ran,
            "on_disk": self.on_disk,
            "daemon_json": self.daemon_json,
            "engine": self.engine,
            "kept": None if self.kept is None else self.kept.to_json(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> Commit:
        """Read what `to_json` gave."""
        stored = cast("dict[str, Any]", document)
        managed = frozenset(tuple(path) for path in stored["managed"])
        target = Target(
            document=stored["document"],
            drop_in=_decoded(stored["drop_in"]),
            managed=managed,
            touched=managed,
            owns_drop_in=stored["owns_drop_in"],
        )
        return cls(
            target=target,
            files=tuple((name, text) for name, text in stored["files"]),
            folder=stored["folder"],
            digest=stored["digest"],
            held=stored["held"],
            in_force=stored.get("in_force", False),
            unread=stored.get("unread", False),
            ran=stored.get("ran", ""),
            on_disk=stored["on_disk"],
            daemon_json=stored["daemon_json"],
            engine=stored["engine"],
            kept=KeptStorage.from_json(stored["kept"]) if stored.get("kept") else None,
        )

    def carry_out(
        self,
        files: Files,
        history: History,
        *,
        generation: int,
        left: tuple[FileState, FileState],
        now: float,
        invocation: str | Unread,
    ) -> None:
        """Do it; doing it again is fine. `left` are daemon.json and the drop-in as they are now.

        `invocation` is as for History.mark_applied.

        Raises FileFailure, StaleFile or StateFileFailure, leaving no file behind.
        """
        before: list[FileState] = []
        try:
            for name, text in self.files:
                seen = files.read(f"{self.folder}/{name}")
                _put(files, seen, text.encode())
                before.append(seen)
            history.mark_applied(
                generation, self.target, *left, held=self.held, now=now, invocation=invocation
            )
        except DockcfgdError:
            for seen in reversed(before):
                _put_back(files, seen)
            raise


def _put(files: Files, seen: FileState, content: bytes) -> None:
    files.replace(seen.path, content, expected=(seen.tag,), fresh=Tag(digest="", mode=0o644))


def _put_back(files: Files, seen: FileState) -> None:
    tag = files.read(seen.path).tag
    if seen.present:
        files.replace(seen.path, seen.content, expected=(tag,), fresh=seen.tag)
    else:
        files.remove(seen.path, expected=(tag,))


def _encoded(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
