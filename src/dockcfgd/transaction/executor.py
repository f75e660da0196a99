"""Runs a plan step by step, journalled, and the way back when a step fails or dockcfgd had died."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.errors import DockcfgdError, StaleFile, StateFileFailure, StepFailed
from dockcfgd.model.status import Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.transaction.journal import BACK, FORWARD
from dockcfgd.transaction.perform import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Progressing
    from dockcfgd.transaction.journal import Journal, OpenTransaction

__all__ = ["Ending", "Executor"]

_TOUCHES_ENGINE = (do.ReloadEngine, do.RestartEngine, do.StopEngine, do.BackUpContainers)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a transaction went.

    `blame`: the failure says something about the desired state, so it must be remembered.
    `edited`: it was only that somebody else wrote a managed file meanwhile.
    """

    verdict: Verdict
    reason: str | None = None
    blame: bool = False
    edited: bool = False


class Executor:
    """Does transactions one at a time.

    `tell` is called with the phase after each change of a step.
    """

    def __init__(
        self,
        effects: Effects,
        journal: Journal,
        *,
        tell: Callable[[Phase], None],
        progress: Progressing,
    ) -> None:
        self._effects, self._journal = effects, journal
        self._tell, self._progress = tell, progress

    def run(self, transaction: OpenTransaction) -> Ending:
        """Do the steps that are not done yet; on failure the way back.

        `applied` leaves the journal open: committing is the caller's. StateFileFailure where the
        journal fails after the proof: what is left is done when it is recovered.
        """
        outcomes = dict(transaction.outcomes)
        for index, step in enumerate(transaction.steps):
            if index < transaction.completed:
                continue
            try:
                self._do(transaction, FORWARD, index, step, outcomes)
            except DockcfgdError as failure:
                if isinstance(failure, StateFileFailure) and transaction.proven_before(index):
                    raise
                touched = any(
                    isinstance(done, _TOUCHES_ENGINE) for done in transaction.steps[: index + 1]
                )
                blame = isinstance(failure, StepFailed) or touched
                ending = self._go_back(
                    transaction, index, outcomes, reason=str(failure), blame=blame
                )
                return replace(ending, edited=isinstance(failure, StaleFile))
        return Ending(Verdict.APPLIED, _gone(outcomes))

    def recover(self, transaction: OpenTransaction) -> Ending:
        """End a transaction that was cut off: forwards once it was proven, else the way back."""
        if transaction.proven:
            return self.run(transaction)
        reason = "dockcfgd was interrupted in the middle of the change"
        begun, outcomes = transaction.begun, dict(transaction.outcomes)
        if begun >= 0 and self._started_anew(transaction):
            begun = max(begun, _start_of_engine(transaction.steps))
        return self._go_back(transaction, begun, outcomes, reason=reason, blame=False)

    def _started_anew(self, transaction: OpenTransaction) -> bool:
        """Tell whether the engine may have read the files that were half written."""
        unit = self._effects.systemd.unit(DOCKER_SERVICE)
        return not unit.running or unit.invocation_id != transaction.invocation

    def take_back(self, transaction: OpenTransaction, *, reason: str, blame: bool) -> Ending:
        """Go the way back of a transaction as the journal has it, whatever it was that failed."""
        outcomes = dict(transaction.outcomes)
        return self._go_back(transaction, transaction.begun, outcomes, reason=reason, blame=blame)

    def _go_back(
        self,
        transaction: OpenTransaction,
        begun: int,
        outcomes: dict[str, Json],
        *,
        reason: str,
        blame: bool,
    ) -> Ending:
        self._tell(Phase.ROLLING_BACK)
        first = _restarted(transaction)
        for position, back in enumerate(transaction.way_back):
            if position < first or not back.needed(begun):
                continue
            try:
                self._do(transaction, BACK, position, back.step, outcomes)
            except StaleFile as edited:
                # Somebody's edit is theirs; the next look plans over it. The engine must run.
                if str(edited) not in reason:
                    reason = f"{reason}; {edited}"
            except DockcfgdError as failure:
                if isinstance(back.step, do.KeepDisposable):
                    continue  # an engine that serves no more has nothing left to keep
                if isinstance(back.step, do.ReloadEngine) and _starts_later(transaction, position):
                    continue  # it only eases the stop; the start reads the same values
                return Ending(
                    Verdict.DEGRADED, f"{reason}; and going back failed too: {failure}", blame
                )
        gone = _gone(outcomes)
        return Ending(Verdict.ROLLED_BACK, f"{reason}; {gone}" if gone else reason, blame)

    def _do(
        self,
        transaction: OpenTransaction,
        direction: str,
        position: int,
        step: do.Step,
        outcomes: dict[str, Json],
    ) -> None:
        entry = self._begin(transaction, direction, position, step)
        self._tell(_phase(step, direction))
        try:
            outcome = perform(step, self._effects, outcomes, self._progress)
        except DockcfgdError as failure:
            self._end(entry, BACK, state="failed", outcome=str(failure))
            raise
        if outcome is not None:
            outcomes[type(step).__name__] = outcome
        self._end(entry, direction, state="done", outcome=outcome)
        self._tell(_phase(step, direction))

    def _begin(
        self, transaction: OpenTransaction, direction: str, position: int, step: do.Step
    ) -> int:
        """Note the step; 0 where the way back has to go on without a journal."""
        now = self._effects.clock.now()
        try:
            return self._journal.begin(transaction.id, direction, position, step, now=now)
        except StateFileFailure:
            if direction == FORWARD:
                raise
            return 0

    def _end(self, entry: int, direction: str, *, state: str, outcome: Json) -> None:
        try:
            self._journal.end(entry, state=state, outcome=outcome, now=self._effects.clock.now())
        except StateFileFailure:
            if direction == FORWARD:
                raise


def _start_of_engine(steps: tuple[do.Step, ...]) -> int:
    heavy = (do.RestartEngine, do.StopEngine)
    return next((at for at, step in enumerate(steps) if isinstance(step, heavy)), -1)


def _starts_later(transaction: OpenTransaction, position: int) -> bool:
    """Tell whether the way back stops and starts the engine after this step."""
    later = transaction.way_back[position + 1 :]
    return any(isinstance(back.step, do.StopEngine) for back in later)


def _restarted(transaction: OpenTransaction) -> int:
    """Give where the way back goes on after a crash: behind its start of the engine, if done.

    Until then it begins anew, as somebody else may have started the engine. From then on a further
    stop would end what was brought back already.
    """
    starts = [
        at
        for at, back in enumerate(transaction.way_back)
        if isinstance(back.step, do.StartEngine) and at in transaction.undone
    ]
    return starts[-1] + 1 if starts else 0


def _phase(step: do.Step, direction: str) -> Phase:
    if direction == BACK:
        return Phase.ROLLING_BACK
    return Phase.VERIFYING if isinstance(step, do.ProveEngine) else Phase.APPLYING


def _gone(outcomes: Mapping[str, Json]) -> str | None:
    """Say which --rm containers are gone after the proof; nothing tells whether by themselves."""
    names = outcomes.get("ProveEngine")
    if not isinstance(names, list) or not names:
        return None
    return f"--rm containers that ended meanwhile: {', '.join(map(str, names))}"
