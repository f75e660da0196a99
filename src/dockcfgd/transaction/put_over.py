"""Putting back a file that somebody has edited meanwhile; what the engine must show after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dockcfgd.model.errors import StaleFile
from dockcfgd.model.files import FileKind
from dockcfgd.planning.over_edit import over_edit, theirs_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.files import FileState, Tag
    from dockcfgd.model.steps import Expectation

__all__ = ["SINCE", "Edited", "Ours", "put_over", "still_ours"]

# Among outcomes: what was found in a file after it was put back.
SINCE = "edited since"

# Whoever edits a file more often than that in a moment is a program at work.
_TRIES = 5
_FOUND = ("WriteFile", "RemoveFile", SINCE)
_EDITED = frozenset({FileKind.REGULAR, FileKind.ABSENT})


@dataclass(frozen=True, slots=True)
class Edited:
    """A file that was put back, and the keys that somebody has set otherwise in it."""

    path: str
    keys: tuple[KeyPath, ...]

    def to_json(self) -> Json:
        """Give it as a step's outcome."""
        return {"edited": self.path, "keys": [list(path) for path in self.keys]}

    @classmethod
    def all_of(cls, outcomes: Mapping[str, Json]) -> tuple[Edited, ...]:
        """Give those among the outcomes."""
        found = []
        for outcome in map(outcomes.get, _FOUND):
            if isinstance(outcome, dict) and isinstance(keys := outcome.get("keys"), list):
                paths = (tuple(map(str, path)) for path in keys if isinstance(path, list))
                found.append(cls(str(outcome["edited"]), tuple(paths)))
        return tuple(found)


class Ours(Protocol):
    """Which of the values that the engine must show are still ours when it is judged."""

    def __call__(self, expect: Sequence[Expectation], /) -> tuple[Expectation, ...]:
        """Give those."""


class _Files(Protocol):
    def read(self, path: str) -> FileState: ...

    def replace(
        self, path: str, content: bytes, *, expected: Sequence[Tag], fresh: Tag
    ) -> object: ...

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None: ...


def put_over(
    files: _Files, path: str, *, ours: Sequence[bytes], goal: bytes | None, fresh: Tag
) -> Edited:
    """Give the file what `planning.over_edit` says; owner and mode stay as they are.

    One that is gone counts as one with nothing in it. StaleFile where what is theirs cannot be told
    from what is ours.
    """
    for _ in range(_TRIES):
        seen = files.read(path)
        if seen.kind not in _EDITED:
            break
        try:
            content = over_edit(seen.content, ours, goal)
            theirs = theirs_in(content, goal)
        except (ValueError, RecursionError):
            break
        try:
            if content is None:
                files.remove(path, expected=(seen.tag,))
            elif content or seen.present:
                files.replace(path, content, expected=(seen.tag,), fresh=fresh)
        except StaleFile:
            continue
        return Edited(path, theirs)
    raise StaleFile(path)


def still_ours(
    expect: Sequence[Expectation], outcomes: Mapping[str, Json]
) -> tuple[Expectation, ...]:
    """Give what the engine must show; what somebody has set in the file meanwhile it may show."""
    theirs = [path for one in Edited.all_of(outcomes) for path in one.keys]
    return tuple(one for one in expect if not any(_overlap(one.path, path) for path in theirs))


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]
