"""How far dockcfgd may go, and what counts as proof: the tables beside [engine] and [service]."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dockcfgd.model.impact import Impact

__all__ = [
    "Backup",
    "Consistency",
    "ContainersRule",
    "OnDrift",
    "Policy",
    "RestartStyle",
    "Storage",
    "UnmanagedKeys",
    "Verify",
    "Window",
]


class OnDrift(StrEnum):
    """What to do when the host no longer is what was applied."""

    REVERT = "revert"
    REPORT = "report"
    ADOPT = "adopt"


class RestartStyle(StrEnum):
    """How the engine is restarted while containers run."""

    BRIDGED = "bridged"
    PLAIN = "plain"


class UnmanagedKeys(StrEnum):
    """What happens to keys of daemon.json that the desired state does not name."""

    KEEP = "keep"
    REMOVE = "remove"


class ContainersRule(StrEnum):
    """Which containers must run after a restart."""

    RUNNING_BEFORE = "running-before"
    NONE = "none"


class Consistency(StrEnum):
    """What becomes of running containers while a backup reads what they write."""

    PAUSE = "pause"
    STOP = "stop"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window: it opens when `expression` elapses, for `seconds`.

    `text` is how it was written.
    """

    text: str
    expression: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done (`[policy]`).

    `max_impact` bounds new desired states, `drift_max_impact` what is done against drift, which may
    be more; adopted hand edits are bound by both.
    Outside of `maintenance_windows`, if there are any, a restart or migration waits.
    `confirm_timeout` is for how many seconds a proven change waits for an operator's word.
    """

    max_impact: Impact = Impact.MIGRATE
    on_drift: OnDrift = OnDrift.REVERT
    drift_max_impact: Impact = Impact.RELOAD
    restart: RestartStyle = RestartStyle.BRIDGED
    unmanaged_keys: UnmanagedKeys = UnmanagedKeys.KEEP
    confirm_timeout: float = 0.0
    maintenance_windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Verify:
    """The `[verify]` table; times in seconds."""

    timeout: float = 90.0
    settle: float = 5.0
    containers: ContainersRule = ContainersRule.RUNNING_BEFORE
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """The `[backup]` table.

    `keep` counts complete backups in `directory`, those of migrations and those by schedule apart.
    `schedule` is a calendar expression, empty for none.
    """

    directory: str = "/var/lib/dockcfgd/backups"
    keep: int = 3
    volumes: bool = False
    consistency: Consistency = Consistency.PAUSE
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """The `[storage]` table."""

    migrate_containers: bool = field(default=True)
    keep_previous: bool = field(default=True)
