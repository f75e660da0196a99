"""A disk that refuses writes: from one of a host's writes on, or only that one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure, StateFileFailure
from tests.fakes.real_disk import REAL

if TYPE_CHECKING:
    from tests.fakes.cuts import Cuts

__all__ = ["DiskTrouble", "is_write"]

_WRITES = (
    "before writing ",
    "before removing ",
    "before: undo ",
    "before: state file",
    "before: carry",
    "before: copy the ",
    "before: rename the ",
    "before: remove the copy ",
    REAL,
)


def is_write(label: str) -> bool:
    """Whether a place of `Cuts` is one before something is written or removed."""
    return label.startswith(_WRITES)


@dataclass
class DiskTrouble:
    """Lets write number `first` fail with `errno`, and with `lasting` those after it, until `end`.

    All writes count: managed files, state file, way back, files of `apply`, and within `real_disk`
    what is kept of containers, backups, folders that are moved, and data-roots that are copied.
    """

    cuts: Cuts
    errno: int
    first: int
    lasting: bool
    passed: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        """Begin."""
        self.cuts.watch(self._refuse)

    def end(self) -> None:
        """Let writes succeed again."""
        self.first = -1

    def _refuse(self, label: str) -> None:
        if not is_write(label):
            return
        number = self.passed
        self.passed += 1
        if self.first >= 0 and (number == self.first or (self.lasting and number > self.first)):
            self.hits += 1
            raise _failure(label, self.errno)


def _failure(label: str, number: int) -> Exception:
    if label.startswith(REAL):
        return OSError(number, os.strerror(number), label.rpartition(" ")[2])
    if label == "before: state file":
        return StateFileFailure(f"cannot use /state.db: {os.strerror(number)}")
    path = label.rpartition(" ")[2]
    return FileFailure(what="write", path=path, errno=number, why=os.strerror(number))
