"""What may be put into the reconciler's inbox.

Putting never blocks; the reconciler takes them in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Apply", "Look", "PlanRequest", "Request", "Rollback", "Stop"]


@dataclass(frozen=True, slots=True)
class Look:
    """Something may have changed; `reason` is for the log only."""

    reason: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply the desired state with `files` (name and text) as if they lay in conf.d.

    They are copied there at commit.

    Without files: look again and forget a remembered failure. `transaction` is the id under which
    the end is told.
    """

    transaction: str
    files: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Rollback:
    """Go back to a generation (None.

    The one applied before the present one), as a new generation.
    """

    transaction: str
    generation: int | None = None
    comment: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Work out the plan with `files` as if they lay in conf.d.

    `reply` gets the plan document as JSON text, from the reconciler's thread.
    """

    files: tuple[tuple[str, str], ...]
    reply: Callable[[str], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """End after the step in hand."""


Request: TypeAlias = Look | Apply | Rollback | PlanRequest | Stop
