"""Words of systemd's job interface (org.freedesktop.systemd1(5))."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "DOCKER_SERVICE",
    "DOCKER_SOCKET",
    "RECOVER_SERVICE",
    "JobResult",
    "JobVerb",
    "JournalLine",
]

DOCKER_SERVICE = "docker.service"
DOCKER_SOCKET = "docker.socket"
RECOVER_SERVICE = "dockcfgd-recover.service"


class JobVerb(StrEnum):
    """What a job does; the value is the manager's method name."""

    RELOAD = "ReloadUnit"
    RESTART = "RestartUnit"
    START = "StartUnit"
    STOP = "StopUnit"


class JobResult(StrEnum):
    """The result word of JobRemoved.

    A word that this list lacks is `UNKNOWN`, which counts as a failure.
    """

    DONE = "done"
    SKIPPED = "skipped"
    CANCELED = "canceled"
    TIMEOUT = "timeout"
    FAILED = "failed"
    DEPENDENCY = "dependency"
    INVALID = "invalid"
    ASSERT = "assert"
    UNSUPPORTED = "unsupported"
    COLLECTED = "collected"
    ONCE = "once"
    CONCURRENCY = "concurrency"
    UNKNOWN = "unknown"

    @property
    def good(self) -> bool:
        """Whether the job did what it was for."""
        return self in {JobResult.DONE, JobResult.SKIPPED}


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line that a unit's process wrote, when, and in which of its runs (empty: not known)."""

    at: float
    invocation: str
    text: str
