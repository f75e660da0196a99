"""What is wrong with an `[engine]` table, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dockcfgd.model.desired import KeyPath, dotted

__all__ = ["Code", "KeyFinding", "Severity", "shown_path"]


class Severity(StrEnum):
    """Whether a finding refuses the desired state or only tells the operator something."""

    ERROR = "error"
    WARNING = "warning"


class Code(StrEnum):
    """Kinds of findings; stable."""

    UNKNOWN = "unknown-key"
    FLAG_SPELLING = "flag-spelling"
    REJECTED = "rejected-by-engine"
    IGNORED = "ignored-by-engine"
    TOO_NEW = "newer-than-engine"
    REMOVED = "removed-from-engine"
    FATAL = "fatal-in-engine"
    DEPRECATED = "deprecated"
    TYPE = "wrong-type"
    CHOICE = "no-such-choice"
    RANGE = "out-of-range"
    SYNTAX = "bad-syntax"
    ZERO = "zero-means-default"
    TRAP = "trap"
    TOGETHER = "contradiction"


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """One finding. `path` starts below `[engine]`; `message` is a sentence, `hint` may be empty.

    Neither holds a value that could be a secret.
    """

    path: KeyPath
    code: Code
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def refuses(self) -> bool:
        """Whether the desired state cannot be used."""
        return self.severity is Severity.ERROR


def shown_path(path: KeyPath) -> str:
    """Give a path below `[engine]` as an operator writes it."""
    return dotted(("engine", *path))
