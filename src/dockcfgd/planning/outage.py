"""How long the last comparable action took, from what the journal kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.plan import Outage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PastTransaction", "last_outage"]

_BEGINS = (do.BackUpContainers, do.RestartEngine, do.StopEngine)
_ENDS = (do.RestartEngine, do.ResumeContainers, do.StartEngine, do.RestoreStorage)


@dataclass(frozen=True, slots=True)
class PastTransaction:
    """An applied transaction: its steps, and by position when each began and ended."""

    id: str
    steps: tuple[do.Step, ...]
    times: Mapping[int, tuple[float, float]]
    finished: float


def last_outage(steps: Sequence[do.Step], past: Iterable[PastTransaction]) -> Outage | None:
    """Give the outage of the first in `past` (newest first) that was of the same kind as `steps`.

    None for plans that stop nothing, and where there was none such.
    """
    kind = _kind(steps)
    for one in past if kind else ():
        if _kind(one.steps) == kind:
            seconds = _seconds(one, bridged=kind == "bridged")
            if seconds is not None:
                what = "engine" if kind in {"bridged", "empty"} else "containers"
                return Outage(round(seconds, 1), one.id, what, one.finished)
    return None


def _kind(steps: Sequence[do.Step]) -> str:
    for step in steps:
        if isinstance(step, do.RestoreStorage):
            return "made anew"
        if isinstance(step, do.CarryLayers):
            return "moved"
        if isinstance(step, do.CopyRootRest):
            return "copied"
        if isinstance(step, do.RenameRoot):
            return "renamed"
        if isinstance(step, do.RestartEngine):
            stops = any(isinstance(other, do.ResumeContainers) for other in steps)
            return "bridged" if step.bridged else "plain" if stops else "empty"
    return ""


def _seconds(one: PastTransaction, *, bridged: bool) -> float | None:
    """Bridged, the engine alone is away; else containers are, until the last one runs again."""
    first, last = ((do.RestartEngine,),) * 2 if bridged else (_BEGINS, _ENDS)
    begins = [at for at, step in enumerate(one.steps) if isinstance(step, first)]
    ends = [at for at, step in enumerate(one.steps) if isinstance(step, last)]
    if not begins or not ends or begins[0] not in one.times or ends[-1] not in one.times:
        return None
    return one.times[ends[-1]][1] - one.times[begins[0]][0]
