"""The status document: what dockcfgd says of itself and its host.

Its keys are stable (schema 1).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json
    from dockcfgd.model.kept import KeptStorage

__all__ = [
    "Condition",
    "EngineSummary",
    "FindingView",
    "InputView",
    "KeptSummary",
    "LastTransaction",
    "Phase",
    "Progress",
    "Status",
    "StepView",
    "Task",
    "Verdict",
]


class Phase(StrEnum):
    """What dockcfgd is doing."""

    IDLE = "idle"
    PLANNING = "planning"
    APPLYING = "applying"
    VERIFYING = "verifying"
    AWAITING_CONFIRMATION = "awaiting-confirmation"
    ROLLING_BACK = "rolling-back"
    PAUSED = "paused"
    STOPPED = "stopped"


class Condition(StrEnum):
    """How the host stands to its desired state."""

    UNMANAGED = "unmanaged"
    IN_SYNC = "in-sync"
    PENDING = "pending"
    DRIFTED = "drifted"
    REJECTED = "rejected"
    DEGRADED = "degraded"


class Verdict(StrEnum):
    """How a transaction ended."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class FindingView:
    """A reason for a refusal."""

    file: str | None
    line: int | None
    key: str | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class InputView:
    """An input file or watched folder, with what shows cheaply that it changed."""

    path: str
    inode: int
    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of the last transaction.

    `state`: done, failed, running, skipped; the way back's are named `undo: …`.
    """

    name: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LastTransaction:
    """The newest transaction that had a step or was refused. Times are seconds since 1970.

    `irreversible` is what its plan said does not come back, whichever way it ends.
    """

    transaction: str
    generation: int
    verdict: Verdict | None
    impact: str
    reason: str | None
    started: float
    finished: float | None
    steps: tuple[StepView, ...] = ()
    irreversible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """The newest piece of work that was no change; `kind` is `backup`, `restore`, `storage prune`.

    `backup` is the backup's ID, or the driver whose data is freed.

    Verdict: applied, refused (nothing was touched) or degraded (it could not be ended well).
    """

    transaction: str
    kind: str
    backup: str
    verdict: Verdict | None
    reason: str | None
    started: float
    finished: float | None
    steps: tuple[StepView, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.verdict is None


@dataclass(frozen=True, slots=True)
class EngineSummary:
    """The engine at the last look."""

    version: str
    api: str
    storage: str
    active: bool
    pid: int
    live_restore: bool
    running: int
    total: int


@dataclass(frozen=True, slots=True)
class KeptSummary:
    """What is kept of the storage: the driver of before, since when, by which transaction."""

    driver: str
    since: float
    transaction: str
    freeing: bool = False

    @classmethod
    def of(cls, kept: KeptStorage) -> KeptSummary:
        """Give the summary of what is kept."""
        return cls(kept.driver, kept.since, kept.transaction, kept.freeing)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long step is.

    `unit` says what `done` and `total` count (bytes, images, containers), `rate` how many of them
    are done in a second, `left` how many seconds are left at that; None while that is not known.
    """

    step: str
    item: str
    done: int
    total: int
    unit: str
    rate: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot, swapped by reference; see `document` for its published form."""

    version: str
    pid: int
    since: float
    started_ticks: int = 0
    phase: Phase = Phase.PLANNING
    condition: Condition = Condition.UNMANAGED
    reason: str | None = None
    generation: int = 0
    digest: str = ""
    files: tuple[InputView, ...] = ()
    folders: tuple[InputView, ...] = ()
    errors: tuple[FindingView, ...] = ()
    applied_generation: int = 0
    applied_at: float | None = None
    last: LastTransaction | None = None
    task: Task | None = None
    progress: Progress | None = None
    drifts: tuple[dict[str, Json], ...] = ()
    engine: EngineSummary | None = None
    backups: int = 0
    kept: KeptSummary | None = None
    confirm_deadline: float | None = None
    next_step: str = field(default="")

    def document(self) -> dict[str, Json]:
        """Give the published document, schema 1: plain JSON values only."""
        engine: Json = None
        if self.engine is not None:
            engine = {
                "version": self.engine.version,
                "api": self.engine.api,
                "storage": self.engine.storage,
                "active": self.engine.active,
                "pid": self.engine.pid,
                "live_restore": self.engine.live_restore,
                "containers": {"running": self.engine.running, "total": self.engine.total},
            }
        return {
            "schema": 1,
            "daemon": {
                "version": self.version,
                "pid": self.pid,
                "since": self.since,
                "started_ticks": self.started_ticks,
            },
            "phase": str(self.phase),
            "condition": str(self.condition),
            "reason": self.reason,
            "desired": {
                "generation": self.generation,
                "digest": self.digest,
                "files": [cast("Json", asdict(file)) for file in self.files],
                "folders": [cast("Json", asdict(folder)) for folder in self.folders],
                "errors": [cast("Json", asdict(error)) for error in self.errors],
            },
            "applied": {"generation": self.applied_generation, "at": self.applied_at},
            "last": _ended(self.last),
            "task": _ended(self.task),
            "confirm": None
            if self.confirm_deadline is None
            else {"deadline": self.confirm_deadline},
            "progress": None if self.progress is None else cast("Json", asdict(self.progress)),
            "drifts": list(self.drifts),
            "engine": engine,
            "backups": self.backups,
            "kept": None if self.kept is None else cast("Json", asdict(self.kept)),
            "next": self.next_step,
        }


def _ended(work: LastTransaction | Task | None) -> Json:
    if work is None:
        return None
    given = asdict(work).items()
    document = {key: list(value) if isinstance(value, tuple) else value for key, value in given}
    document["verdict"] = None if work.verdict is None else str(work.verdict)
    return cast("Json", document)
