"""A piece of work that changes no setting, as the status shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.migration import live_backup
from dockcfgd.model.status import StepView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.status import Task
    from dockcfgd.reconcile.attention import Heedful
    from dockcfgd.reconcile.bulletin import Bulletin

__all__ = ["Work"]

_TELL_SECONDS = 0.25


class Work:
    """A task under way: shows its steps and how far they are, and heeds a cancel."""

    def __init__(
        self, effects: Effects, bulletin: Bulletin, attention: Heedful, task: Task
    ) -> None:
        self._clock, self._bulletin, self._attention = effects.clock, bulletin, attention
        self.task = task
        self._since = 0.0
        self._told = 0.0

    def reports(self, *, note: Callable[[Sequence[Json]], None]) -> live_backup.Reports:
        """Give what the work tells it by."""
        return live_backup.Reports(step=self.step, progress=self.progress, note=note)

    def ended(self, *, well: bool) -> Task:
        """Give the task with its last step ended."""
        self._close("done" if well else "failed")
        return self.task

    def step(self, name: str) -> None:
        """Begin a step, the one before having ended well."""
        self._attention.in_task(self.task.transaction)
        self._close("done")
        self._since = self._clock.monotonic()
        steps = (*self.task.steps, StepView(name, "running", 0.0))
        self.task = replace(self.task, steps=steps)
        self._bulletin.show(task=self.task, progress=None)

    def _close(self, state: str) -> None:
        if self.task.steps:
            *before, last = self.task.steps
            seconds = round(self._clock.monotonic() - self._since, 3)
            closed = replace(last, state=state, seconds=seconds)
            self.task = replace(self.task, steps=(*before, closed))

    def progress(self, *, item: str, done: int, total: int, unit: str) -> None:
        """Show how far the step is (ports.Progressing)."""
        self._attention.in_task(self.task.transaction)
        now = self._clock.monotonic()
        if now - self._told >= _TELL_SECONDS or done == total:
            self._told = now
            name = self.task.steps[-1].name if self.task.steps else ""
            self._bulletin.progress_of(name, item=item, done=done, total=total, unit=unit)
