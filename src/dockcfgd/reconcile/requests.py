"""What may be put into the reconciler's inbox.

Putting never blocks; the reconciler takes them in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dockcfgd.migration.archive import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.model.policy import Consistency

__all__ = [
    "Apply",
    "Cancel",
    "Confirm",
    "CreateBackup",
    "Look",
    "Pause",
    "PlanRequest",
    "PruneBackups",
    "Request",
    "Restore",
    "Resume",
    "Rollback",
    "Stop",
    "StoragePrune",
    "StorageRollback",
]


def _heard_by_nobody(_why: str) -> None:
    """Take an answer that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Look:
    """Something may have changed; `reason` is for the log only."""

    reason: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply the desired state with `files` (name and text) as if they lay in conf.d.

    They are copied there at commit; refused, or while the host holds it up, nothing is written.

    Without files: look again. That the same failed before does not count; what is refused leaves
    a degraded host, and what is remembered, as it is. `transaction` is the id under which
    the end is told. `confirm` is for how many seconds the proven change waits for `Confirm`; None:
    as policy.confirm-timeout says.

    With `plan`, nothing is done unless the plan has this id; `agreed` gets "" where it has, before
    anything is done, else why not.
    """

    transaction: str
    files: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    actor: str = ""
    uid: int | None = None
    confirm: float | None = None
    plan: str = ""
    agreed: Callable[[str], None] = field(default=_heard_by_nobody, compare=False)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Go back to a generation (None.

    The one applied before the present one), as a new generation.
    """

    transaction: str
    generation: int | None = None
    comment: str = ""
    actor: str = ""
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class CreateBackup:
    """Make the backup `transaction` of `names`, of everything without them.

    `volumes` and `consistency` are None where the desired state says.
    """

    transaction: str
    names: tuple[str, ...] = ()
    volumes: bool | None = None
    consistency: Consistency | None = None
    comment: str = ""
    actor: str = ""
    uid: int | None = None
    origin: str = OPERATOR


@dataclass(frozen=True, slots=True)
class Restore:
    """Restore `names` of a backup, everything without them."""

    transaction: str
    backup: str
    names: tuple[str, ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True)
class PruneBackups:
    """Remove these backups, or without them all but the newest `keep` of each kind.

    `reply` gets the document as JSON text, `fail` why nothing was removed.
    """

    backups: tuple[str, ...]
    keep: int | None
    reply: Callable[[str], None] = field(compare=False)
    fail: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class StorageRollback:
    """Go back to what is kept of the storage, as a new generation.

    With `back_up` what there is now is backed up before.
    """

    transaction: str
    back_up: bool = True
    comment: str = ""
    actor: str = ""
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class StoragePrune:
    """Free what is kept of the storage."""

    transaction: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Work out the plan with `files` as if they lay in conf.d.

    `reply` gets the plan document as JSON text, or `fail` why there is none, from the reconciler's
    thread.
    """

    files: tuple[tuple[str, str], ...]
    reply: Callable[[str], None] = field(compare=False)
    fail: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Confirm:
    """Keep the proven change that waits for it; `transaction` empty: whichever it is.

    `answer` gets "" when it is kept for good, else why not.
    """

    transaction: str
    answer: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back the transaction under way or waiting for confirmation, if it still can be.

    `answer` gets "" when that has begun, else why not.
    """

    transaction: str
    actor: str
    answer: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing by itself any more, over restarts, until Resume; `answer` as in Confirm."""

    reason: str
    actor: str
    answer: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Resume:
    """End a pause; `answer` as in Confirm."""

    answer: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """End once what is in hand has ended."""


Request: TypeAlias = (
    Look
    | Apply
    | Rollback
    | PlanRequest
    | Confirm
    | Cancel
    | Pause
    | Resume
    | CreateBackup
    | Restore
    | PruneBackups
    | StorageRollback
    | StoragePrune
    | Stop
)
