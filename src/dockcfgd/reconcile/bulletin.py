"""The status as dockcfgd tells it: changed in one place, published at each change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.log import get_logger
from dockcfgd.model.errors import StateFileFailure
from dockcfgd.model.host import EngineState
from dockcfgd.model.status import (
    Condition,
    EngineSummary,
    FindingView,
    InputView,
    LastTransaction,
    Phase,
)
from dockcfgd.reconcile.decide import ENGINE_STOPPED, ROLLED_BACK
from dockcfgd.reconcile.pace import Pace
from dockcfgd.reconcile.preview import drift_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan
    from dockcfgd.model.status import Status, StepView, Verdict
    from dockcfgd.reconcile.assess import Assessment
    from dockcfgd.scrub import Scrubber
    from dockcfgd.transaction.journal import OpenTransaction

__all__ = ["Bulletin"]

_HELD = "change a file, or `dockcfgctl apply` to have what was rolled back again"
_STOPPED = "start the engine when you like: systemctl start docker"
_NEXT = {
    Condition.UNMANAGED: "put a desired state into /etc/dockcfgd/conf.toml",
    Condition.PENDING: "see the reason; `dockcfgctl apply` does it now",
    Condition.DRIFTED: "`dockcfgctl apply` puts it back",
    Condition.REJECTED: "mend the files; `dockcfgctl apply` tries the same again",
    Condition.DEGRADED: "see `dockcfgctl show`, `journalctl -u dockcfgd -u docker`; then"
    " `dockcfgctl apply`",
}


class Bulletin:
    """Holds the newest status. Changed by the reconciler's thread alone, read by any.

    `publish` gets each new status, `keep` the document of each one that dockcfgd rests in;
    `scrubber` takes secrets out before. `paused` says why nothing is done by itself, empty where
    it is.
    """

    def __init__(
        self,
        first: Status,
        *,
        scrubber: Scrubber,
        publish: Callable[[Status], None],
        keep: Callable[[dict[str, Json]], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.status = first
        self._pace = Pace(monotonic)
        self.paused = ""
        self._settled: tuple[Condition, str | None] = first.condition, None
        self._scrubber, self._publish, self._keep = scrubber, publish, keep
        self._log = get_logger()

    def show(self, **changes: object) -> None:
        """Change fields of the status by their names."""
        status = replace(self.status, **changes)  # type: ignore[arg-type]  # names are Status's own
        status = self._scrubber.status(status)
        if status != self.status:
            self.status = status
            self._publish(status)

    def show_seen(
        self,
        seen: Assessment,
        *,
        generation: int,
        in_force: tuple[int, float | None],
        backups: int,
        phase: Phase,
    ) -> None:
        """Show what a look gave."""
        self.show(
            **_inputs(seen),
            phase=phase,
            generation=generation,
            digest=seen.digest,
            applied_generation=in_force[0],
            applied_at=in_force[1],
            engine=None if seen.host is None else _engine(seen.host),
            backups=backups,
            drifts=() if seen.plan is None else _drifts(seen.plan),
        )

    def show_noticed(self, seen: Assessment) -> None:
        """Show at once that the host differs in another way; what to do takes a while to say."""
        drifts = () if seen.plan is None else _drifts(seen.plan)
        scrubbed = self._scrubber.status(replace(self.status, drifts=drifts))
        if drifts and not self.paused and scrubbed.drifts != self.status.drifts:
            self.show(drifts=drifts, phase=Phase.PLANNING)

    def show_inputs(self, seen: Assessment) -> None:
        """Show which files a look read, and what is wrong with them."""
        self.show(**_inputs(seen))

    def recall(self, last: LastTransaction | None) -> None:
        """Show the transaction that an earlier dockcfgd brought to its end, if there is one."""
        if self.status.last is None and last is not None:
            self.show(last=last)

    def rest(self) -> None:
        """Come to rest with everything as it is shown."""
        self.show(phase=self._resting)

    @property
    def _resting(self) -> Phase:
        return Phase.PAUSED if self.paused else Phase.IDLE

    def settle(self, condition: Condition, reason: str | None) -> None:
        """Come to rest with a condition, or be paused with it."""
        self._settled = condition, reason
        next_step = "`dockcfgctl resume`" if self.paused else _next_step(condition, reason)
        parts = [part for part in (self.paused, reason) if part]
        self._rest(self._resting, condition, "; ".join(parts) or None, next_step)

    def settle_again(self) -> None:
        """Come to rest as the last time, paused or not as it is by now."""
        self.settle(*self._settled)

    def look_again(self, reason: str | None) -> None:
        """Pass from one change to a look that follows at once: whoever waits for a verdict does."""
        self._settled = Condition.PENDING, reason
        next_step = _next_step(Condition.PENDING, reason)
        self._rest(Phase.PLANNING, Condition.PENDING, reason, next_step)

    def await_word(self, reason: str, deadline: float) -> None:
        """Rest with a proven change until an operator's word, or the deadline."""
        next_step = "`dockcfgctl confirm` keeps it, `dockcfgctl cancel` takes it back"
        phase = Phase.AWAITING_CONFIRMATION
        self._rest(phase, Condition.PENDING, reason, next_step, deadline=deadline)

    def _rest(
        self,
        phase: Phase,
        condition: Condition,
        reason: str | None,
        next_step: str,
        *,
        deadline: float | None = None,
    ) -> None:
        self.show(
            phase=phase,
            condition=condition,
            reason=reason,
            progress=None,
            next_step=next_step,
            confirm_deadline=deadline,
        )
        try:
            self._keep(self.status.document())
        except StateFileFailure as failure:
            self._log.error("state.unwritable", reason=str(failure))
            if condition in {Condition.IN_SYNC, Condition.UNMANAGED}:
                # Nothing could be changed now, and that is told before it has to be.
                next_step = _NEXT[Condition.DEGRADED]
                self.show(condition=Condition.DEGRADED, reason=str(failure), next_step=next_step)

    def begin(self, transaction: OpenTransaction, plan: Plan | None) -> None:
        """Show a transaction under way; `plan` where it is new."""
        drifts = self.status.drifts if plan is None else _drifts(plan)
        last = LastTransaction(
            transaction=transaction.id,
            generation=transaction.generation,
            verdict=None,
            impact=transaction.impact,
            reason=None,
            started=transaction.started,
            finished=None,
            irreversible=transaction.irreversible,
        )
        self.show(last=last, phase=Phase.APPLYING, reason=None, drifts=drifts)

    def step(self, phase: Phase, steps: tuple[StepView, ...]) -> None:
        """Show how far the transaction under way is."""
        if self.status.last is not None:
            self.show(phase=phase, last=replace(self.status.last, steps=steps), progress=None)

    def progress(self, *, item: str, done: int, total: int, unit: str) -> None:
        """Show how far the step in hand is (ports.Progressing)."""
        steps = self.status.last.steps if self.status.last else ()
        step = steps[-1].name if steps else ""
        self.progress_of(step, item=item, done=done, total=total, unit=unit)

    def progress_of(self, step: str, *, item: str, done: int, total: int, unit: str) -> None:
        """Show how far a step is, and how fast it goes."""
        told = self._pace.of(step, item=item, done=done, total=total, unit=unit)
        self.show(progress=told)

    def end(
        self,
        transaction: OpenTransaction,
        verdict: Verdict,
        reason: str | None,
        *,
        finished: float,
        steps: tuple[StepView, ...],
    ) -> None:
        """Show how a transaction ended."""
        last = LastTransaction(
            transaction=transaction.id,
            generation=transaction.generation,
            verdict=verdict,
            impact=transaction.impact,
            reason=reason,
            started=transaction.started,
            finished=finished,
            steps=steps,
            irreversible=transaction.irreversible,
        )
        self.show(last=last, progress=None)


def _next_step(condition: Condition, reason: str | None) -> str:
    if reason == ROLLED_BACK:
        return _HELD
    if (reason or "").startswith(ENGINE_STOPPED):
        return _STOPPED
    return _NEXT.get(condition, "")


def _inputs(seen: Assessment) -> dict[str, object]:
    return {
        "files": tuple(
            InputView(file.path, file.inode, file.mtime_ns, file.size) for file in seen.files
        ),
        "folders": seen.folders,
        "errors": tuple(
            FindingView(found.file, found.line, found.key, found.message, found.hint)
            for found in seen.findings
        ),
    }


def _drifts(plan: Plan) -> tuple[dict[str, Json], ...]:
    return tuple(drift_document(drift) for drift in plan.drifts)


def _engine(host: HostState) -> EngineSummary:
    engine = host.engine
    if not isinstance(engine, EngineState):
        return EngineSummary(
            version=host.binary_version,
            api="",
            storage="",
            active=False,
            pid=host.unit.main_pid,
            live_restore=False,
            running=0,
            total=0,
        )
    return EngineSummary(
        version=engine.version,
        api=engine.api_version,
        storage=engine.driver,
        active=True,
        pid=host.unit.main_pid,
        live_restore=engine.live_restore,
        running=len(engine.running),
        total=len(engine.containers),
    )
