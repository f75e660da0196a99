"""Carrying out plans one at a time, and writing down how each ended."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from dockcfgd.history import Unread
from dockcfgd.log import get_logger
from dockcfgd.migration import disposable, left_behind
from dockcfgd.migration.archive import remove_incomplete
from dockcfgd.migration.capture import DISPOSABLE
from dockcfgd.migration.folders import forget_older
from dockcfgd.migration.kept_logs import forget_logs
from dockcfgd.model import steps as do
from dockcfgd.model.deadline import Deadline
from dockcfgd.model.errors import (
    DockcfgdError,
    FileFailure,
    StateFileFailure,
    SystemdFailure,
    Unfinished,
)
from dockcfgd.model.status import Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, RECOVER_SERVICE
from dockcfgd.planning.secrecy import secrets_of_applied
from dockcfgd.planning.target import Applied
from dockcfgd.planning.unproven import start_failed
from dockcfgd.reconcile.attempts import Attempts
from dockcfgd.reconcile.commit import Commit
from dockcfgd.reconcile.kept_storage import KeptRecord
from dockcfgd.transaction import recovery
from dockcfgd.transaction.executor import Cause, Ending, Executor
from dockcfgd.transaction.journal import Journal
from dockcfgd.transaction.witness import FAILED, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.effects import Effects
    from dockcfgd.history import History
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan
    from dockcfgd.model.status import LastTransaction
    from dockcfgd.planning.target import Target
    from dockcfgd.reconcile.bulletin import Bulletin
    from dockcfgd.reconcile.patience import Patience
    from dockcfgd.scrub import Scrubber
    from dockcfgd.settings import Settings
    from dockcfgd.state_file import StateFile
    from dockcfgd.transaction.executor import Attention
    from dockcfgd.transaction.journal import OpenTransaction
    from dockcfgd.transaction.undo import Undo

__all__ = ["DEGRADED", "NOT_CONFIRMED", "Ended", "Transactions"]

_RECOVER_SECONDS = 120.0  # its unit's own time limit

DEGRADED = "degraded"
NOT_CONFIRMED = "not confirmed in time"
_BEGAN = "the engine was started while its files were written"
_WENT_BACK = (
    "its files are as they were before it: somebody put them back, or it was taken back while the"
    " state file could not be written"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a transaction ended, and what it would have made final or did."""

    verdict: Verdict
    reason: str | None
    cause: Cause
    commit: Commit


class Transactions:
    """The transaction under way, if there is one. For the reconciler's thread.

    A transaction ends when its end is written down: where the state file fails then, it stays under
    way, and `finish` writes it down later without doing anything twice.
    """

    def __init__(  # noqa: PLR0913 -- what carrying out needs
        self,
        effects: Effects,
        state: StateFile,
        settings: Settings,
        *,
        undo: Undo,
        history: History,
        bulletin: Bulletin,
        patience: Patience,
        attention: Attention,
        scrubber: Scrubber,
    ) -> None:
        self._scrubber = scrubber
        self._effects, self._settings, self._state = effects, settings, state
        self._history, self._bulletin, self._patience = history, bulletin, patience
        self._journal, self._undo = Journal(state), undo
        self._witness = Witness(
            effects, self._journal, drop_in=settings.drop_in, scrub=scrubber.text
        )
        self._executor = Executor(
            effects,
            self._journal,
            undo,
            tell=self._tell_step,
            progress=bulletin.progress,
            attention=attention,
            witness=self._witness,
        )
        self._under_way: OpenTransaction | None = None
        self._unwritten: tuple[OpenTransaction, Ending] | None = None
        self.kept = KeptRecord(state)
        self._stuck = ""
        self.attempts = Attempts(state)
        self._log = get_logger()

    @property
    def awaiting(self) -> OpenTransaction | None:
        """The proven transaction that waits for an operator's word."""
        return self._under_way if self._under_way and self._under_way.deadline else None

    @property
    def seconds_left(self) -> float | None:
        """For how long the word may still come; None where none is awaited."""
        waiting = self.awaiting
        return waiting.deadline.left(self._effects.clock) if waiting and waiting.deadline else None

    @property
    def backups_needed(self) -> tuple[str, ...]:
        """The backups that the transaction under way, or what is kept of the storage, needs."""
        steps = self._under_way.steps if self._under_way else ()
        of_storage = (do.BackUpImages, do.BackUpPresent)
        return (
            *(step.backup for step in steps if isinstance(step, of_storage)),
            *self.kept.backups,
        )

    def carry_out(
        self,
        name: str,
        plan: Plan,
        host: HostState,
        *,
        generation: int,
        commit: Commit,
        confirm: float,
    ) -> Ended | None:
        """Do it; None where it is proven and waits for an operator's word."""
        self._log.info(
            "transaction.begins", transaction=name, generation=generation, impact=plan.impact.word
        )
        self._state.hold_reserve()
        transaction = self._open(name, plan, host, generation, commit, confirm=confirm)
        self._under_way = transaction
        self._bulletin.begin(transaction, plan)
        planned_on = (host.daemon_json, host.drop_in)
        return self._proceed(transaction, lambda: self._executor.run(transaction, planned_on))

    def _open(
        self,
        name: str,
        plan: Plan,
        host: HostState,
        generation: int,
        commit: Commit,
        *,
        confirm: float,
    ) -> OpenTransaction:
        return self._journal.open(
            name,
            plan,
            generation=generation,
            commit_action=commit.to_json(),
            invocation=host.unit.invocation_id,
            now=self._effects.clock.now(),
            confirm=confirm,
        )

    def finish(self) -> Ended | None:
        """End what was cut off, or could not be written down to its end. None: nothing ended.

        Unfinished where the host does not allow it yet; it is due again after a while.
        OfAnotherRelease where that has to end it.
        """
        if self._unwritten is not None:
            return self._end(*self._unwritten)
        if self.awaiting is not None:
            if self._journal.unfinished() is not None:
                return None
            # The state file was damaged and is a new one: only the plain files lead back.
            self._under_way = None
        if not self._undo.held:
            # Before the lock: what another release has to end is nobody's here, and its way back
            # stays free for dockcfgd-recover.
            self._journal.unfinished()
            self._let_recover_go_first()
        recovery.await_turn(self._undo, self._effects.clock)
        transaction = self._journal.unfinished()
        if transaction is not None:
            digest = Commit.from_json(transaction.commit_action).digest
            if self._stuck and self._patience.holds(digest):
                raise Unfinished(self._stuck)
            return self._recover(transaction)
        self._take_back_unknown()
        self._forget_kept()
        return None

    def _let_recover_go_first(self) -> None:
        """Wait for dockcfgd-recover where systemd is about to run it, as at boot.

        Not by an order of the units: systemd would let no engine start while this service stops.
        """
        clock = self._effects.clock
        until = clock.monotonic() + _RECOVER_SECONDS
        with contextlib.suppress(SystemdFailure):
            while clock.monotonic() < until:
                unit = self._effects.systemd.unit(RECOVER_SERVICE)
                if not unit.queued and unit.active_state != "activating":
                    break
                clock.sleep(0.1)

    def newest(self) -> LastTransaction | None:
        """Give the one that ended last."""
        return self._journal.newest()

    def begin_anew(self) -> None:
        """Leave what could not be taken back behind, on an operator's word."""
        self._undo.clear()
        self._state.remember(DEGRADED, "")
        self._history.begin_anew()
        self.attempts.forget()

    def confirm(self) -> Ended | None:
        """Make the waiting transaction final."""
        transaction = self.awaiting
        if transaction is None:
            return None
        # Before anything shows it: cut off in between, it would wait again with its files there.
        self._journal.confirm(transaction.id)
        confirmed = replace(transaction, deadline=None, confirm=0.0)
        self._under_way = confirmed
        return self._end(confirmed, Ending(Verdict.APPLIED))

    def take_back(self, cause: Cause, reason: str) -> Ended | None:
        """Undo what the journal holds, proven or not."""
        transaction = self._journal.unfinished()
        if transaction is None:
            return None
        self._under_way = replace(transaction, deadline=None)
        ending = self._trying(
            transaction,
            lambda: self._executor.take_back(transaction, reason=reason, cause=cause),
        )
        return self._end(transaction, ending)

    def take_back_unproven(
        self, name: str, plan: Plan, host: HostState, *, generation: int, commit: Commit, why: str
    ) -> Ended | None:
        """Go back from what the engine, down when it was written, did not start on.

        `plan` leads back only. Its end makes what was proven last the generation in force again.
        """
        # First: one without a step that does not go back would count as done.
        self._journal.go_back(name, Cause.DESIRED.name, why)
        transaction = self._open(name, plan, host, generation, commit, confirm=0.0)
        # What the engine said was before this began.
        _, written = self._history.applied_generation()
        self._witness.note(replace(transaction, started=written or transaction.started), FAILED)
        self._log.warning("transaction.unproven", transaction=name, generation=generation)
        self._bulletin.begin(transaction, plan)
        return self.take_back(Cause.DESIRED, why)

    def break_off(self, reason: str) -> Ended | None:
        """Undo a transaction that a mistake of dockcfgd broke; it would break again."""
        if self._under_way is None:
            return None
        transaction, self._under_way = self._under_way, None
        try:
            return self.take_back(Cause.DESIRED, reason)
        except (DockcfgdError, OSError):
            raise
        except Exception as mistake:  # noqa: BLE001 -- it would break again, with the engine down each time
            self._log.exception("transaction.broken", transaction=transaction.id)
            why = f"{reason}; and going back failed too: {mistake!r}"
            return self._end(transaction, Ending(Verdict.DEGRADED, why, Cause.DESIRED))

    def start_failure(self, *, ran: str) -> str:
        """Say how the engine's start after the run `ran` failed; empty where none has."""
        systemd = self._effects.systemd
        try:
            unit = systemd.unit(DOCKER_SERVICE)
            if unit.load_state != "loaded" or systemd.stopping():
                return ""
        except SystemdFailure:
            return ""
        if not start_failed(unit, ran=ran):
            return ""
        line = systemd.last_line(DOCKER_SERVICE, invocation=unit.invocation_id)
        what = "the engine did not start on what was written while it was down"
        return f"{what}: {line or f'its unit ended as {unit.result}'}"

    def written(self, unread: Unread) -> float:
        """Give when it was written, on the clock of this boot; 0 for one of an earlier boot."""
        return unread.monotonic if unread.boot == self._effects.clock.boot() else 0.0

    def ready_since(self, unread: Unread) -> bool | None:
        """Tell whether any engine became ready since it was written; None where nothing tells."""
        systemd = self._effects.systemd
        try:
            ready = systemd.unit(DOCKER_SERVICE).ready
        except SystemdFailure:
            return None
        if ready > self.written(unread):
            return True
        if unread.boot == self._effects.clock.boot():
            return False
        return systemd.started_since(DOCKER_SERVICE, since=unread.at)

    def invocation(self, commit: Commit) -> str | Unread:
        """Give the engine's run if it surely has all of the commit in force, else nothing.

        Unread where none ran.
        """
        if commit.unread:
            clock = self._effects.clock
            return Unread(commit.ran, clock.boot(), clock.monotonic(), clock.now())
        if not commit.in_force:
            return ""
        try:
            unit = self._effects.systemd.unit(DOCKER_SERVICE)
        except SystemdFailure:
            return ""
        return unit.invocation_id if unit.running else ""

    def _recover(self, transaction: OpenTransaction) -> Ended | None:
        self._learn(self._history.applied())
        self._learn(Commit.from_json(transaction.commit_action).target)
        self._log.warning("transaction.recovering", transaction=transaction.id)
        self._under_way = transaction
        self._bulletin.begin(transaction, None)
        self._tell_step(Phase.APPLYING)
        if transaction.deadline is not None and not transaction.returning:
            if self._undo.note(transaction.id) is not None:
                return self.take_back(Cause.UNCONFIRMED, NOT_CONFIRMED)
            if self._executor.went_back(transaction):
                return self.take_back(Cause.UNCONFIRMED, _WENT_BACK)
            self._wait_on(transaction, transaction.deadline)
            return None
        return self._proceed(transaction, lambda: self._executor.recover(transaction))

    def _wait_on(self, transaction: OpenTransaction, deadline: Deadline) -> None:
        """Wait on by this boot's clock, as it is set now: the time of day may be off by days."""
        here = deadline.here(self._effects.clock)
        if here != deadline:
            self._under_way = replace(transaction, deadline=here)
            self._undo.await_confirmation(here)
            self._journal.await_confirmation(transaction.id, here)
        self._show_awaiting(transaction, here)

    def _take_back_unknown(self) -> None:
        """Put back the files of a change that the journal does not know: it was lost."""
        way_back = self._undo.read()
        if way_back is None or self._state.fact(DEGRADED):
            return
        recovery.go_back(
            self._undo,
            way_back,
            self._effects.files,
            self._effects.systemd,
            now=self._effects.clock.now(),
            say=lambda text: self._log.warning("undo.without_journal", what=text),
        )
        self._undo.forget_note()

    def _learn(self, left: Applied | Target) -> None:
        """Know the secrets of a generation before anything quotes them."""
        self._scrubber.learn(
            secrets_of_applied(Applied(document=left.document or {}, drop_in=left.drop_in))
        )

    def _trying(self, transaction: OpenTransaction, act: Callable[[], Ending]) -> Ending:
        """Bring it to its end, or wait before that is tried again."""
        try:
            ending = act()
        except Unfinished as failure:
            self._stuck = self._scrubber.text(str(failure))
            digest = Commit.from_json(transaction.commit_action).digest
            self._patience.lose(digest, self._stuck, edited=False)
            self._log.error("transaction.stuck", transaction=transaction.id, reason=self._stuck)
            raise Unfinished(self._stuck) from failure
        self._stuck = ""
        return ending

    def _proceed(self, transaction: OpenTransaction, act: Callable[[], Ending]) -> Ended | None:
        ending = self._trying(transaction, act)
        if ending.verdict is Verdict.APPLIED and self._began_meanwhile(transaction):
            return self.take_back(Cause.STARTED, _BEGAN)
        if ending.verdict is not Verdict.APPLIED or not transaction.confirm:
            return self._end(transaction, ending)
        deadline = Deadline.after(transaction.confirm, self._effects.clock)
        try:
            # Before the journal has it: one that went back in between would contradict that.
            self._undo.await_confirmation(deadline)
        except DockcfgdError as failure:
            return self.take_back(Cause.SURROUNDINGS, str(failure))
        self._journal.await_confirmation(transaction.id, deadline)
        self._under_way = replace(transaction, deadline=deadline)
        self._log.info("transaction.awaits", transaction=transaction.id, until=deadline.at)
        self._show_awaiting(transaction, deadline)
        return None

    def _began_meanwhile(self, transaction: OpenTransaction) -> bool:
        """Tell whether an engine began while files were written that the next one was to read.

        What that one has read nobody knows. With its way back out of force it is in force already,
        and the engine that began since was the next one.
        """
        commit = Commit.from_json(transaction.commit_action)
        try:
            if not commit.unread or not self._undo.stored:
                return False
            unit = self._effects.systemd.unit(DOCKER_SERVICE)
        except (FileFailure, SystemdFailure):
            return False
        return unit.invocation_id not in {"", commit.ran}

    def show_awaiting(self) -> None:
        """Show that a change waits for an operator's word, where something else was shown since."""
        transaction = self.awaiting
        if transaction is not None and transaction.deadline is not None:
            self._wait_on(transaction, transaction.deadline)

    def _show_awaiting(self, transaction: OpenTransaction, deadline: Deadline) -> None:
        reason = f"{transaction.id} is proven and goes back unless `dockcfgctl confirm` comes"
        self._bulletin.await_word(reason, deadline.at)

    def _end(self, transaction: OpenTransaction, ending: Ending) -> Ended:
        commit = Commit.from_json(transaction.commit_action)
        ending = self._discreet(ending)
        self._unwritten = (transaction, ending)
        if ending.verdict is Verdict.APPLIED:
            ending = self._discreet(self._committed(transaction, commit, ending))
            if ending.verdict is Verdict.APPLIED and commit.proviso:
                ending = replace(ending, reason=commit.proviso)
            self._unwritten = (transaction, ending)
        self._write_down(transaction, ending, commit)
        self._under_way, self._unwritten = None, None
        now = self._effects.clock.now()
        steps = self._journal.views(transaction.id, now=now)
        verdict, reason = ending.verdict, ending.reason
        told = reason or self._history.adopted_by(transaction.generation) or None
        self._bulletin.end(transaction, verdict, told, finished=now, steps=steps)
        self._log.info(
            "transaction.ended", transaction=transaction.id, verdict=str(verdict), reason=reason
        )
        return Ended(verdict, reason, ending.cause, commit)

    def _write_down(self, transaction: OpenTransaction, ending: Ending, commit: Commit) -> None:
        verdict, reason = ending.verdict, ending.reason
        in_force, _ = self._history.applied_generation()
        if not transaction.steps:
            self._history.take_back_unproven(verdict=str(verdict), reason=reason)
        # That putting back what is in force failed says nothing of what it left, which stays ours.
        if verdict is not Verdict.APPLIED and transaction.generation != in_force:
            self._history.judge(
                transaction.generation,
                verdict=str(verdict),
                reason=reason,
                impact=transaction.impact,
            )
        if verdict is Verdict.ROLLED_BACK and ending.cause in {Cause.SURROUNDINGS, Cause.EDITED}:
            self._patience.lose(commit.digest, reason or "", edited=ending.cause is Cause.EDITED)
        else:
            self._patience.regain()
        self._count(transaction, ending, commit)
        if ending.cause.remembered and reason:
            self._history.remember_failure(commit.digest, commit.engine, reason)
        if verdict is Verdict.APPLIED:
            _forget_older_data(transaction)
            self._note_left_behind(transaction)
        if verdict is Verdict.DEGRADED:
            self._state.remember(DEGRADED, reason or "degraded")
        else:
            if verdict is not Verdict.APPLIED:
                _forget_logs(transaction)
            _forget_half_a_backup(transaction)
        self._history.note_start(self._journal.slowest_start(transaction.id))
        now = self._effects.clock.now()
        self._journal.close(transaction.id, verdict=str(verdict), reason=reason, now=now)
        self._forget_kept()
        self._undo.forget_note()

    def _forget_kept(self) -> None:
        """Remove what describes `--rm` containers of changes that are over.

        What could not be removed at its change's end goes later. What nobody knows the change of
        stays, as does what a failed way back has left.
        """
        found = list(Path(self._settings.state_dir, "kept").glob("*"))
        over = self._journal.ended_well() if found else frozenset()
        for folder in found:
            if folder.name in over and not self.kept.needs(str(folder)):
                disposable.forget(str(folder))

    def _note_left_behind(self, transaction: OpenTransaction) -> None:
        """Note which data-root is kept; where that cannot be written, it is kept all the same."""
        for step in transaction.steps:
            if isinstance(step, do.CopyRootRest):
                with contextlib.suppress(FileFailure):
                    left_behind.note(
                        self._settings.left_dir,
                        path=step.source,
                        moved_to=step.target,
                        transaction=transaction.id,
                        at=self._effects.clock.now(),
                    )

    def _count(self, transaction: OpenTransaction, ending: Ending, commit: Commit) -> None:
        if ending.cause not in {Cause.SURROUNDINGS, Cause.EDITED}:
            self.attempts.forget()
        elif ending.verdict is Verdict.ROLLED_BACK and self._disturbed(transaction):
            self.attempts.note(commit.digest, ending.reason or "it was taken back")

    def _disturbed(self, transaction: OpenTransaction) -> bool:
        """Tell whether it stopped the engine or containers; a job that was refused did not.

        Nor did one that leads back only: that found the engine down.
        """
        if not transaction.steps:
            return False
        known = self._journal.unfinished() or transaction
        begun = known.steps[: known.begun + 1]
        if any(isinstance(step, do.BackUpContainers) for step in begun):
            return True
        undone = (back.step for back in known.way_back if back.needed(known.begun))
        done = (*begun, *undone)
        if not any(isinstance(step, do.RestartEngine | do.StopEngine) for step in done):
            return False
        try:
            unit = self._effects.systemd.unit(DOCKER_SERVICE)
        except SystemdFailure:
            return True
        return unit.invocation_id != transaction.invocation

    def _discreet(self, ending: Ending) -> Ending:
        """Take secrets out of a reason before it is kept, shown and logged."""
        return replace(ending, reason=ending.reason and self._scrubber.text(ending.reason))

    def _committed(self, transaction: OpenTransaction, commit: Commit, ending: Ending) -> Ending:
        """Commit; where the files of `apply` cannot be kept, take the change back.

        What is proven stays where only the state file fails; it is written down at the next look.
        """
        try:
            # First: whoever finds the way back in force may go it.
            self._undo.clear()
            self._carry_out_commit(transaction, commit)
        except StateFileFailure:
            raise
        except DockcfgdError as failure:
            known, reason = self._journal.unfinished() or transaction, str(failure)
            self._unwritten = None
            return self._trying(
                known,
                lambda: self._executor.take_back(known, reason=reason, cause=Cause.SURROUNDINGS),
            )
        return ending

    def _carry_out_commit(self, transaction: OpenTransaction, commit: Commit) -> None:
        files = self._effects.files
        commit.carry_out(
            files,
            self._history,
            generation=transaction.generation,
            left=(files.read(commit.daemon_json), files.read(self._settings.drop_in)),
            now=self._effects.clock.now(),
            invocation=self.invocation(commit),
        )
        self._history.judge(
            transaction.generation,
            verdict="applied",
            reason=commit.proviso,
            impact=transaction.impact,
        )
        if commit.kept is not None:
            known = self._journal.unfinished() or transaction
            self.kept.note(commit.kept, known, since=self._started(known))

    def _started(self, transaction: OpenTransaction) -> float:
        """Give when the engine began to run on what is in force now, in seconds since 1970."""
        clock, made = self._effects.clock, transaction.outcomes.get("StartEngine")
        started = made.get("started") if isinstance(made, dict) else None
        if not isinstance(started, int | float) or not 0 < started <= clock.monotonic():
            return clock.now()
        return clock.now() - (clock.monotonic() - started)

    def _tell_step(self, phase: Phase) -> None:
        if self._under_way is not None:
            now = self._effects.clock.now()
            self._bulletin.step(phase, self._journal.views(self._under_way.id, now=now))


def _forget_older_data(transaction: OpenTransaction) -> None:
    """Keep but one state of the storage from before, that of this change if it has one."""
    for step in transaction.steps:
        if isinstance(step, do.SetAside | do.ReturnStorage):
            # It may be much, and nobody waits for it.
            Thread(target=forget_older, args=(step.folder,), daemon=True).start()


def _forget_logs(transaction: OpenTransaction) -> None:
    """Remove the logs of `--rm` containers that a change which was taken back had made anew.

    Where it is not taken back they are freed with what is kept of the storage.
    """
    for step in transaction.steps:
        if isinstance(step, do.BackUpContainers):
            with contextlib.suppress(FileFailure):
                forget_logs(f"{step.directory}/{step.backup}/{DISPOSABLE}")


def _forget_half_a_backup(transaction: OpenTransaction) -> None:
    """Remove what a change that was taken back had begun to save; a whole backup stays."""
    for step in transaction.steps:
        if isinstance(step, do.BackUpImages):
            # What cannot be removed is shown as incomplete, and no reason to fail.
            with contextlib.suppress(FileFailure):
                remove_incomplete(step.directory, step.backup)
