"""Runs a plan step by step, journalled, and the way back when a step fails or dockcfgd had died."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Protocol

from dockcfgd.migration.operations import note_running
from dockcfgd.model import steps as do
from dockcfgd.model.errors import (
    DockcfgdError,
    EngineFailure,
    EngineSilent,
    FileFailure,
    StaleFile,
    StateFileFailure,
    StepFailed,
    SystemdFailure,
    Unfinished,
)
from dockcfgd.model.status import Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobResult
from dockcfgd.planning.wording import step_name
from dockcfgd.transaction.journal import BACK, FORWARD
from dockcfgd.transaction.keeping import Keeping
from dockcfgd.transaction.perform import perform
from dockcfgd.transaction.put_over import SINCE, Edited, still_ours
from dockcfgd.transaction.way import Way, dispensable, files_first, goes_on_at, stop_first
from dockcfgd.transaction.witness import DEGRADED, FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.files import FileState
    from dockcfgd.model.host import UnitState
    from dockcfgd.model.plan import BackStep
    from dockcfgd.model.steps import Expectation
    from dockcfgd.ports import Progressing
    from dockcfgd.transaction.journal import Journal, OpenTransaction
    from dockcfgd.transaction.put_over import Ours
    from dockcfgd.transaction.undo import Undo
    from dockcfgd.transaction.witness import Witness

__all__ = ["Attention", "Cause", "Ending", "Executor", "Interrupted"]

_TOUCHES_ENGINE = (do.ReloadEngine, do.RestartEngine, do.StopEngine, do.BackUpContainers)
_AFTER_START = (
    do.ReloadEngine,
    do.ResumeContainers,
    do.RestoreStorage,
    do.CompareContainers,
    do.BackUpLayers,
    do.StartThen,
    do.ProveEngine,
)
_SEEN_SECONDS = 1.0  # systemd hears of a process's end some milliseconds after its sockets close
_LOOK_SECONDS = 0.1
_READS_FILES = (do.ReloadEngine, do.RestartEngine, do.StopEngine)
_NEEDS_ENGINE = (
    do.KeepDisposable,
    do.ReloadEngine,
    do.RestartEngine,
    do.StopEngine,
    do.StartEngine,
    do.ResumeContainers,
    do.ProveEngine,
)


class Cause(Enum):
    """What a transaction's end says, and about what."""

    PROVEN = auto()
    DESIRED = auto()  # about the desired state: it is not tried again by itself
    SURROUNDINGS = auto()  # about the host at that moment
    STOPPED = auto()  # somebody stopped the engine meanwhile
    STARTED = auto()  # or started one that was down, in the middle of the writing
    EDITED = auto()  # somebody else wrote a managed file meanwhile
    SUPERSEDED = auto()  # a newer desired state came
    CANCELLED = auto()  # an operator's word
    UNCONFIRMED = auto()  # no operator's word in time

    @property
    def remembered(self) -> bool:
        """Whether the same desired state must not be tried again by itself."""
        return self in {Cause.DESIRED, Cause.CANCELLED, Cause.UNCONFIRMED}

    @property
    def by_word(self) -> bool:
        """Whether what somebody did ended it, and nothing failed."""
        return self in {Cause.CANCELLED, Cause.UNCONFIRMED, Cause.SUPERSEDED, Cause.STARTED}


class Interrupted(DockcfgdError):
    """Something came in between that ends a transaction before it is proven."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


_NOTED = do.NoteRunning.__name__
_STOPPED = "somebody stopped the engine meanwhile"
_EDITED = "somebody has changed"
_CUT_OFF = "dockcfgd was interrupted in the middle of the change"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a transaction went, and what that says."""

    verdict: Verdict
    reason: str | None = None
    cause: Cause = Cause.PROVEN


class Attention(Protocol):
    """What may end a transaction before it is proven: both raise Interrupted."""

    def before_step(self, transaction: OpenTransaction, index: int) -> None:
        """Look up before a step begins."""

    def in_wait(self, transaction: OpenTransaction, index: int) -> None:
        """Look up while the proof of a step is not there yet."""

    def watching(
        self, transaction: OpenTransaction, index: int
    ) -> contextlib.AbstractContextManager[None]:
        """Give a context in which `look_up` is about this step."""

    def look_up(self) -> None:
        """Look up in the middle of a step, which is as often as it tells how far it is."""


class Executor:
    """Does transactions one at a time.

    `tell` is called with the phase after each change of a step.
    """

    def __init__(
        self,
        effects: Effects,
        journal: Journal,
        undo: Undo,
        *,
        tell: Callable[[Phase], None],
        progress: Progressing,
        attention: Attention,
        witness: Witness,
    ) -> None:
        self._effects, self._journal, self._witness = effects, journal, witness
        self._keeping = Keeping(undo, effects)
        self._tell, self._progress, self._attention = tell, progress, attention

    def run(self, transaction: OpenTransaction, planned_on: Sequence[FileState] = ()) -> Ending:
        """Do the steps that are not done yet; on failure the way back.

        `planned_on` are the managed files as the plan found them.

        `applied` leaves the journal open and the plain way back in force: committing is the
        caller's. StateFileFailure where the
        journal fails after the proof: what is left is done when it is recovered.
        """
        outcomes = dict(transaction.outcomes)
        try:
            if transaction.begun < 0:
                self._keeping.begin(transaction)
        except DockcfgdError as failure:
            reason, cause = str(failure), Cause.SURROUNDINGS
            return self._go_back(transaction, -1, outcomes, reason=reason, cause=cause)
        for index, step in enumerate(transaction.steps):
            if index < transaction.completed:
                continue
            begun = index
            try:
                if not transaction.proven_before(index):
                    begun = index - 1
                    self._attention.before_step(transaction, index)
                    self._see_unedited(step, transaction.steps[:index], planned_on)
                    begun = index
                self._do(transaction, FORWARD, index, step, outcomes)
            except DockcfgdError as failure:
                if isinstance(failure, StateFileFailure) and transaction.proven_before(index):
                    raise
                begun = self._begun(transaction, begun, step, failure)
                ran = _newest_run(outcomes) or transaction.invocation
                steps = transaction.steps[: index + 1]
                cause, reason = self._blame(failure, steps, ran, planned_on)
                return self._go_back(transaction, begun, outcomes, reason=reason, cause=cause)
        return Ending(Verdict.APPLIED, _told(outcomes))

    def _see_unedited(
        self, step: do.Step, done: tuple[do.Step, ...], planned_on: Sequence[FileState]
    ) -> None:
        """Interrupted where the engine would be disturbed for files that somebody has edited."""
        edited = self._keeping.edited(done, planned_on) if isinstance(step, _READS_FILES) else ""
        if edited:
            raise Interrupted(Cause.EDITED, f"{_EDITED} {edited} meanwhile")

    def recover(self, transaction: OpenTransaction) -> Ending:
        """End a transaction that was cut off: forwards once it was proven, else the way back.

        Backwards too where files and folders were put back meanwhile. Unfinished where the host
        does not allow either now.
        """
        if transaction.proven and not self.went_back(transaction):
            return self.run(transaction)
        why, reason = self._journal.why_back(transaction.id)
        cause = Cause[why] if why in Cause.__members__ else Cause.SURROUNDINGS
        if cause is Cause.STOPPED:
            cause = Cause.SURROUNDINGS
        begun, outcomes = transaction.begun, dict(transaction.outcomes)
        try:
            if begun >= 0 and self._started_anew(transaction):
                begun = max(begun, _start_of_engine(transaction.steps))
        except SystemdFailure as failure:
            raise Unfinished(f"{reason or _CUT_OFF}; not taken back yet: {failure}") from failure
        reason = reason or _CUT_OFF
        return self._go_back(transaction, begun, outcomes, reason=reason, cause=cause)

    def went_back(self, transaction: OpenTransaction) -> bool:
        """Tell whether a proven change was taken back without its journal's knowing.

        FileFailure where that cannot be seen.
        """
        return self._keeping.went_back(transaction)

    def _begun(
        self, transaction: OpenTransaction, begun: int, step: do.Step, failure: DockcfgdError
    ) -> int:
        """Give the last step that had an effect: a restart that systemd refused had none."""
        if begun < 0 or not isinstance(step, do.RestartEngine):
            return begun
        if not isinstance(failure, SystemdFailure):
            return begun
        unit = self._unit()
        same = unit is not None and unit.running and unit.invocation_id == transaction.invocation
        return begun - 1 if same else begun

    def _blame(
        self,
        failure: DockcfgdError,
        begun: tuple[do.Step, ...],
        ran: str,
        planned_on: Sequence[FileState],
    ) -> tuple[Cause, str]:
        """Say what a failure tells, with a look at what else happened on the host.

        `ran` is the run of the engine that was to serve.
        """
        cause, reason = _cause(failure, begun), str(failure)
        if cause is not Cause.DESIRED and not _cancelled(failure):
            return cause, reason
        unit = self._unit_after(failure)
        if unit is None:
            return Cause.SURROUNDINGS, f"{reason}; and systemd does not answer"
        if unit.killed or self._was_killed(unit, ran):
            return Cause.SURROUNDINGS, f"the engine was killed: {reason}"
        if self._stopped_at(begun[-1], failure, unit):
            return Cause.STOPPED, f"{_STOPPED}: {reason}"
        edited = self._keeping.edited(begun, planned_on)
        if edited:
            return Cause.EDITED, f"{_EDITED} {edited} meanwhile: {reason}"
        return (Cause.SURROUNDINGS if self._silent(failure, unit, ran) else cause), reason

    def _replaced(self, way: Way) -> bool:
        """Tell whether another engine runs than the one that the way back has started."""
        if not way.may_repeat:
            return False
        unit = self._unit()
        return unit is not None and unit.invocation_id != way.started

    def _passing(self, failure: DockcfgdError, way: Way) -> bool:
        """Tell whether the way back may be gone once the host allows it."""
        if failure.of_surroundings:
            return True
        unit = self._unit_after(failure)
        if unit is None or unit.killed or self._was_killed(unit, way.started):
            return True
        return self._silent(failure, unit, way.started)

    def _silent(self, failure: DockcfgdError, unit: UnitState, ran: str) -> bool:
        """Tell whether an engine gave no answer that has not ended by itself."""
        if unit.result != "success" or (unit.restarts and ran not in {"", unit.invocation_id}):
            return False
        if not isinstance(failure, EngineFailure) or failure.status:
            return False
        if isinstance(failure, EngineSilent):
            return True
        # Of several questions, each with its own words.
        try:
            self._effects.engine.ping()
        except EngineFailure as unreached:
            return isinstance(unreached, EngineSilent)
        return False

    def _was_killed(self, unit: UnitState, ran: str) -> bool:
        """Tell whether that run was, although systemd has started another one since."""
        another = ran not in {"", unit.invocation_id}
        return another and self._effects.systemd.killed(DOCKER_SERVICE, invocation=ran)

    def _unit_after(self, failure: DockcfgdError) -> UnitState | None:
        """Look at the engine's unit; where it does not answer, give systemd time to see why."""
        unit = self._unit()
        unanswered = isinstance(failure, EngineFailure) and failure.status == 0
        until = self._effects.clock.monotonic() + _SEEN_SECONDS
        while unanswered and unit is not None and unit.running:
            if self._effects.clock.monotonic() >= until:
                break
            self._effects.clock.sleep(_LOOK_SECONDS)
            unit = self._unit()
        return unit

    def _unit(self) -> UnitState | None:
        try:
            return self._effects.systemd.unit(DOCKER_SERVICE)
        except SystemdFailure:
            return None

    @staticmethod
    def _stopped_at(step: do.Step, failure: DockcfgdError, unit: UnitState | None) -> bool:
        """Tell whether a step failed for somebody stopped the engine that it needs."""
        if unit is None or unit.active_state not in {"inactive", "deactivating"}:
            return False
        return unit.result == "success" and (isinstance(step, _AFTER_START) or _cancelled(failure))

    def _may_stay_down(self, transaction: OpenTransaction) -> bool:
        """Tell whether an engine that somebody stopped stays so on the way back.

        What is stored otherwise needs it to come back, and a boot is to start it.
        """
        stored = any(isinstance(step, do.SetAside | do.ReturnStorage) for step in transaction.steps)
        return not stored and not self._machine_stops()

    def _stopped_since(self, transaction: OpenTransaction) -> bool:
        """Tell whether somebody has stopped the engine since the proof, or the way back's start.

        FileFailure where that cannot be seen.
        """
        if goes_on_at(transaction):
            return self._stopped()
        return transaction.proven and self._stopped() and not self.went_back(transaction)

    def _stopped(self) -> bool:
        """Tell whether somebody has stopped the engine; one that the boot is to start is not."""
        unit = self._unit()
        return unit is not None and unit.stopped

    def _see_it_stopped(
        self, spared: tuple[type[do.Step], ...], *, reason: str, cause: Cause
    ) -> None:
        """Unfinished where an engine that was left stopped began while the files were put back.

        What was taken back for the stop itself is made again, which mends that.
        """
        left_so = spared is _NEEDS_ENGINE and cause is not Cause.STOPPED
        if left_so and not self._stopped():
            why = "somebody started the engine meanwhile"
            raise Unfinished(f"{reason}; not taken back yet: {why}")

    def _machine_stops(self) -> bool:
        try:
            return self._effects.systemd.stopping()
        except SystemdFailure:
            return False

    def _started_anew(self, transaction: OpenTransaction) -> bool:
        """Tell whether the engine may have read the files that were half written."""
        unit = self._effects.systemd.unit(DOCKER_SERVICE)
        return not unit.running or unit.invocation_id != transaction.invocation

    def take_back(self, transaction: OpenTransaction, *, reason: str, cause: Cause) -> Ending:
        """Go the way back of a transaction as the journal has it, whatever it was that failed.

        Of one that was proven, what runs now is what runs again. Unfinished where the host does not
        allow it now.
        """
        outcomes = dict(transaction.outcomes)
        here = transaction.proven and not self._keeping.gone_already(transaction)
        if here and _NOTED in outcomes:
            with contextlib.suppress(DockcfgdError):
                outcomes[_NOTED] = list(note_running(self._effects.access))
        return self._go_back(transaction, transaction.begun, outcomes, reason=reason, cause=cause)

    def _go_back(
        self,
        transaction: OpenTransaction,
        begun: int,
        outcomes: dict[str, Json],
        *,
        reason: str,
        cause: Cause,
    ) -> Ending:
        self._tell(Phase.ROLLING_BACK)
        with contextlib.suppress(StateFileFailure):
            self._journal.go_back(transaction.id, cause.name, reason)
        if not cause.by_word:
            self._witness.note(transaction, FAILED)
        if self._machine_stops():
            # What is started now is stopped at once; dockcfgd-recover puts the files back at boot.
            raise Unfinished(f"{reason}; the machine is shutting down, its next boot goes on")
        ending = self._way_back(transaction, begun, outcomes, reason=reason, cause=cause)
        if ending.verdict is Verdict.DEGRADED:
            self._witness.note(transaction, DEGRADED)
        return ending

    def _way_back(
        self,
        transaction: OpenTransaction,
        begun: int,
        outcomes: dict[str, Json],
        *,
        reason: str,
        cause: Cause,
    ) -> Ending:
        spared = self._spared(transaction, cause)
        first = self._first(transaction, spared)
        failed = ""
        self._keeping.begin_back(transaction)
        needed = [
            (position, back)
            for position, back in enumerate(transaction.way_back)
            if position >= first and back.needed(begun) and not isinstance(back.step, spared)
        ]
        order = self._ordered(needed, transaction.steps[: begun + 1])
        way = Way(order, found=self._found(first))
        for position, step in way:
            try:
                put = [one.step for one in transaction.way_back[:position] if one.needed(begun)]
                ours = partial(self._still_ours, put, outcomes)
                self._do(transaction, BACK, position, step, outcomes, ours=ours)
                way.done(step, outcomes)
            except StaleFile as edited:
                # Somebody's edit is theirs; the next look plans over it. The engine must run.
                reason = _with(reason, str(edited))
            except DockcfgdError as failure:
                if dispensable(transaction, position, failure):
                    continue
                if not failed and self._replaced(way):
                    way.repeat()
                    continue
                stopped = not failed and self._stopped_at(step, failure, self._unit_after(failure))
                if stopped and self._may_stay_down(transaction):
                    spared = _NEEDS_ENGINE
                    way.spare(spared)
                    reason = _with(reason, _STOPPED)
                    continue
                if stopped or (not failed and self._passing(failure, way)):
                    raise Unfinished(f"{reason}; not taken back yet: {failure}") from failure
                failed = str(failure)
                if not isinstance(step, do.ProveEngine):
                    break  # after a proof that fails only files are left to be put back
        if failed:
            return self._not_gone(transaction, step, reason, failed, cause=cause)
        self._see_it_stopped(spared, reason=reason, cause=cause)
        self._keeping.end_back()
        told = _told(outcomes)
        return Ending(_back(begun, transaction), f"{reason}; {told}" if told else reason, cause)

    def _not_gone(
        self,
        transaction: OpenTransaction,
        step: do.Step,
        reason: str,
        failure: str,
        *,
        cause: Cause,
    ) -> Ending:
        """End a way back that failed at a step.

        Of one that leads back only, the files are back at its start of the engine: one that starts
        neither on what it was to prove nor on what it ran on before tells nothing of either.
        """
        if isinstance(step, do.StartEngine) and not transaction.steps:
            self._keeping.end_back()
            why = f"{reason}; nor does it start on what it ran on before: {failure}"
            return Ending(Verdict.ROLLED_BACK, why, Cause.SURROUNDINGS)
        return Ending(Verdict.DEGRADED, f"{reason}; and going back failed too: {failure}", cause)

    def _first(self, transaction: OpenTransaction, spared: tuple[type[do.Step], ...]) -> int:
        """Give where the way back goes on; at its start of the engine, where that is down again."""
        first = goes_on_at(transaction)
        unit = self._unit() if first and do.StartEngine not in spared else None
        down = unit is not None and unit.active_state in {"inactive", "failed"}
        return first - 1 if down else first

    def _found(self, first: int) -> str:
        """Give the engine's run as it is where the way back goes on at `first`, behind a start."""
        unit = self._unit() if first else None
        return "" if unit is None else unit.invocation_id

    def _ordered(
        self, needed: list[tuple[int, BackStep]], begun: tuple[do.Step, ...]
    ) -> list[tuple[int, do.Step]]:
        """Give the order of the way back; what the change has stopped nobody starts meanwhile."""
        unit = self._unit()
        died = _start_of_it(begun) and unit is not None and not unit.running
        moves = any(isinstance(back.step, do.PutBack | do.RenameRootBack) for _, back in needed)
        order = files_first(needed)
        if moves and died:
            order = stop_first(order)
        return [(position, back.step) for position, back in order]

    def _spared(self, transaction: OpenTransaction, cause: Cause) -> tuple[type[do.Step], ...]:
        """Give the steps back that need not be.

        An engine that somebody stopped stays so, in the middle of the change or after its proof.
        """
        try:
            stopped = cause is Cause.STOPPED or self._stopped_since(transaction)
            if stopped and self._may_stay_down(transaction):
                return _NEEDS_ENGINE
            return self._keeping.spared(transaction)
        except DockcfgdError as failure:
            raise Unfinished(f"the change is not taken back yet: {failure}") from failure

    def _do(
        self,
        transaction: OpenTransaction,
        direction: str,
        position: int,
        step: do.Step,
        outcomes: dict[str, Json],
        *,
        ours: Ours = tuple,
    ) -> None:
        if direction == BACK and isinstance(step, do.StartEngine | do.RestartEngine):
            self._keeping.begin_start(transaction)
        entry = self._begin(transaction, direction, position, step)
        self._tell(_phase(step, direction))
        try:
            with _said_of(step):
                if direction == FORWARD:
                    with self._attention.watching(transaction, position):
                        heed = partial(self._attention.in_wait, transaction, position)
                        outcome = perform(step, self._effects, outcomes, self._report, heed=heed)
                else:
                    outcome = perform(
                        step, self._effects, outcomes, self._progress, heed=_go_on, ours=ours
                    )
        except DockcfgdError as failure:
            why = self._witness.discreet(str(failure))
            self._end(entry, BACK, state="failed", outcome=why)
            raise
        if outcome is not None:
            outcomes[type(step).__name__] = outcome
        self._end(entry, direction, state="done", outcome=outcome)
        self._tell(_phase(step, direction))

    def _still_ours(
        self, put: Sequence[do.Step], outcomes: dict[str, Json], expect: Sequence[Expectation]
    ) -> tuple[Expectation, ...]:
        """Give what the engine must show on a way back that has `put` files back.

        What somebody has set in them since it may show; that is noted among the outcomes.
        """
        for edited in self._keeping.theirs(put):
            if edited.keys:
                outcomes[SINCE] = edited.to_json()
        return still_ours(expect, outcomes)

    def _report(self, *, item: str, done: int, total: int, unit: str) -> None:
        self._progress(item=item, done=done, total=total, unit=unit)
        self._attention.look_up()

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


@contextlib.contextmanager
def _said_of(step: do.Step) -> Iterator[None]:
    """Let what the kernel refuses be a failure of the surroundings, wherever in a step it does.

    As a mistake of dockcfgd's own it would be a verdict about the desired state.
    """
    try:
        yield
    except OSError as error:
        raise FileFailure(
            what=f"{step_name(step)}:",
            path=str(error.filename or "a file"),
            errno=error.errno or 0,
            why=error.strerror or str(error),
        ) from error


def _with(reason: str, more: str) -> str:
    return reason if more in reason else f"{reason}; {more}"


def _cancelled(failure: DockcfgdError) -> bool:
    return isinstance(failure, SystemdFailure) and failure.name == JobResult.CANCELED


def _go_on() -> None:
    """Heed nothing: a way back is gone to its end."""


def _cause(failure: DockcfgdError, begun: tuple[do.Step, ...]) -> Cause:
    if isinstance(failure, Interrupted):
        return failure.cause
    if isinstance(failure, StaleFile):
        return Cause.EDITED
    if failure.of_surroundings:
        return Cause.SURROUNDINGS
    touched = any(isinstance(step, _TOUCHES_ENGINE) for step in begun)
    return Cause.DESIRED if touched or isinstance(failure, StepFailed) else Cause.SURROUNDINGS


def _start_of_it(begun: tuple[do.Step, ...]) -> bool:
    """Tell whether the change has started the engine that it had stopped."""
    return any(isinstance(step, do.StartEngine) for step in begun)


def _newest_run(outcomes: Mapping[str, Json]) -> str:
    """Give the engine's run that the change has started; empty: none yet."""
    made = [outcomes.get(one.__name__) for one in (do.StartEngine, do.RestartEngine)]
    runs = [str(one["invocation"]) for one in made if isinstance(one, dict)]
    return runs[0] if runs else ""


def _start_of_engine(steps: tuple[do.Step, ...]) -> int:
    heavy = (do.RestartEngine, do.StopEngine)
    return next((at for at, step in enumerate(steps) if isinstance(step, heavy)), -1)


def _phase(step: do.Step, direction: str) -> Phase:
    if direction == BACK:
        return Phase.ROLLING_BACK
    return Phase.VERIFYING if isinstance(step, do.ProveEngine) else Phase.APPLYING


def _back(begun: int, transaction: OpenTransaction) -> Verdict:
    """Give the verdict of a way back that ended well: before anything was touched it is none."""
    harmless = (do.NoteRunning, do.NoteProbes)
    done = transaction.steps[: begun + 1]
    asked = any(isinstance(step, do.NoteProbes) for step in done)
    untouched = asked and all(isinstance(step, harmless) for step in done)
    return Verdict.REFUSED if untouched else Verdict.ROLLED_BACK


def _told(outcomes: Mapping[str, Json]) -> str | None:
    """Say what somebody has changed meanwhile and what the proof leaves open.

    Nothing tells whether --rm containers that are gone ended by themselves.
    """
    edited = dict.fromkeys(one.path for one in Edited.all_of(outcomes) if one.keys)
    told = [f"what somebody has changed in {path} meanwhile stays" for path in edited]
    proof = outcomes.get("ProveEngine")
    if not isinstance(proof, dict):
        return "; ".join(told) or None
    for name, text in (
        ("gone", "--rm containers that ended meanwhile"),
        ("not known yet", "health not known yet, as it is checked too seldom"),
    ):
        names = proof.get(name)
        if isinstance(names, list) and names:
            told.append(f"{text}: {', '.join(map(str, names))}")
    return "; ".join(told) or None
