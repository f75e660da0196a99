"""The one writer: takes requests from its inbox, looks, decides, acts, and publishes what is so."""

from __future__ import annotations

import contextlib
import json
import queue
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.desired.load import Text
from dockcfgd.history import History, past_transactions
from dockcfgd.log import get_logger
from dockcfgd.model.errors import CalendarFailure, DockcfgdError, StateFileFailure
from dockcfgd.model.host import EngineDown, EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.status import (
    Condition,
    KeptSummary,
    LastTransaction,
    Phase,
    Status,
    Verdict,
)
from dockcfgd.planning.compare import surely_runs
from dockcfgd.planning.keeping import kept_by
from dockcfgd.planning.unproven import has_read
from dockcfgd.reconcile.assess import (
    assess,
    assess_return,
    assess_rollback,
    assess_storage_rollback,
    digest_on_disk,
    look,
)
from dockcfgd.reconcile.attention import Heedful
from dockcfgd.reconcile.backing_up import BackingUp
from dockcfgd.reconcile.bulletin import Bulletin
from dockcfgd.reconcile.commit import Commit
from dockcfgd.reconcile.decide import NOT_KEPT, Action, Standing, decide, why_not_now
from dockcfgd.reconcile.fights import Fights
from dockcfgd.reconcile.freeing_storage import FreeingStorage
from dockcfgd.reconcile.patience import Patience
from dockcfgd.reconcile.preview import Preview, assess_to_show
from dockcfgd.reconcile.recheck import Recheck, folders_of
from dockcfgd.reconcile.requests import (
    Apply,
    Cancel,
    Confirm,
    CreateBackup,
    Look,
    Pause,
    PlanRequest,
    PruneBackups,
    Request,
    Restore,
    Resume,
    Rollback,
    Stop,
    StoragePrune,
    StorageRollback,
)
from dockcfgd.reconcile.transactions import DEGRADED, NOT_CONFIRMED, Ended, Transactions
from dockcfgd.reconcile.windows import ALWAYS, Opening, opening
from dockcfgd.reconcile.write_back import WriteBack, write_back
from dockcfgd.scrub import Scrubber
from dockcfgd.transaction.executor import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.effects import Effects
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.reconcile.assess import Assessment
    from dockcfgd.reconcile.decide import Decision
    from dockcfgd.settings import Settings
    from dockcfgd.state_file import StateFile
    from dockcfgd.transaction.journal import OpenTransaction
    from dockcfgd.transaction.undo import Undo

__all__ = ["Reconciler"]

_INBOX = 1000
_DEBOUNCE = 0.15
_PAUSED = "paused"
_AWAITS = "a change awaits confirmation: dockcfgctl confirm or dockcfgctl cancel first"
_UNTOLD = (
    "not taken back when a start failed: the journal does not tell whether an engine has run on it"
)
_LATER = (
    "nothing was written, roll back again when it answers, or after"
    " `systemctl stop docker.socket docker`"
)
_NOTHING_AWAITS = "nothing waits for confirmation"


class Reconciler:
    """Owns all state that changes.

    `run` is its thread; `enqueue`, `stop` and `snapshot` are for any thread. `folders` hold the
    files beside the managed ones that the last look found the engine to be started with.
    """

    def __init__(  # noqa: PLR0913 -- what a daemon is made of
        self,
        effects: Effects,
        state: StateFile,
        settings: Settings,
        *,
        undo: Undo,
        first: Status,
        publish: Callable[[Status], None],
        finished: Callable[[str, str], None],
        scrubber: Scrubber | None = None,
    ) -> None:
        self._effects, self._settings = effects, settings
        self._scrubber = scrubber or Scrubber()
        self._state, self._history = state, History(state)
        self._finished = finished
        self._inbox: queue.Queue[Request] = queue.Queue(_INBOX)
        self._patience = Patience(effects.clock)
        self._heedful = Heedful(self._on_disk)
        self._bulletin = Bulletin(
            first,
            scrubber=self._scrubber,
            publish=publish,
            keep=self._history.keep_status,
            monotonic=effects.clock.monotonic,
        )
        self._transactions = Transactions(
            effects,
            state,
            settings,
            undo=undo,
            history=self._history,
            bulletin=self._bulletin,
            patience=self._patience,
            attention=self._heedful,
            scrubber=self._scrubber,
        )
        self._backing_up = BackingUp(
            effects,
            state,
            bulletin=self._bulletin,
            attention=self._heedful,
            scrubber=self._scrubber,
            finished=finished,
        )
        self._freeing = FreeingStorage(
            effects,
            self._transactions.kept,
            settings.left_dir,
            bulletin=self._bulletin,
            attention=self._heedful,
            finished=finished,
        )
        self._fights = Fights(state, effects.clock)
        self._opens: float | None = None
        self._recheck = Recheck(effects.clock)
        self._recalled = False
        self.folders: frozenset[str] = frozenset()
        self._log = get_logger()

    def enqueue(self, request: Request) -> None:
        """Put a request into the inbox; queue.Full where too much waits."""
        if isinstance(request, Look):
            self._heedful.note_news()
            if not self._inbox.empty():
                self._inbox.put(request) if self._inbox.qsize() < _INBOX // 2 else None
                return
        if isinstance(request, Cancel):
            self._heedful.note_cancel(request)
        self._inbox.put_nowait(request)

    def look_up(self) -> None:
        """Let what is noted end the step in hand; to be called often while something is awaited.

        Raises Interrupted, in the reconciler's thread only.
        """
        self._heedful.look_up()

    def stop(self) -> None:
        """End soon: a change that has not reached the engine is taken back, another one ended."""
        self._heedful.note_stop()
        with contextlib.suppress(queue.Full):  # what waits is met by the note
            self.enqueue(Stop())

    def snapshot(self) -> Status:
        """Give the newest status."""
        return self._bulletin.status

    def run(self) -> None:
        """Recover, then serve requests until Stop."""
        self._guarded(self._finish)
        self._guarded_pass(None)
        self._keep_schedule()
        while True:
            request = self._next()
            pending = [request]
            if isinstance(request, Look):
                self._effects.clock.sleep(_DEBOUNCE)
            while not self._inbox.empty():
                pending.append(self._inbox.get_nowait())
            if self._serve(pending):
                return

    def _next(self) -> Request:
        """Wait for a request; one to look again comes when something is due."""
        opens = self._opens
        until_open = None if opens is None else max(opens - self._effects.clock.now(), 0.0)
        times = (
            self._patience.left,
            self._transactions.seconds_left,
            until_open,
            self._recheck.left,
            self._backing_up.seconds_left if self._at_leisure else None,
        )
        due = [left for left in times if left is not None]
        try:
            return self._inbox.get(timeout=min(due, default=None))
        except queue.Empty:
            if self._patience.left == 0:
                self._patience.end_wait()
            self._opens = None
            return Look("something is due")

    def _serve(self, pending: list[Request]) -> bool:
        """Serve what waits; looks become one. Whether to stop."""
        if self._heedful.stopping or any(isinstance(request, Stop) for request in pending):
            return True
        for request in pending:
            if isinstance(request, Confirm | Cancel | Pause | Resume):
                self._guarded(lambda one=request: self._serve_word(one))  # type: ignore[misc]
        if any(isinstance(request, Look | Resume) for request in pending):
            self._guarded_pass(None)
        for request in pending:
            self._serve_one(request)
        self._keep_schedule()
        return False

    def _serve_one(self, request: Request) -> None:  # noqa: C901 -- one case a kind of request
        """Serve what is done one after the other."""
        match request:
            case Apply():
                done = self._guarded_pass(request)
                self._tell_end(request, done=done)
            case Rollback():
                done = self._guarded(lambda: self._roll_back(request))
                self._tell_end(request, done=done)
            case StorageRollback():
                done = self._guarded(lambda: self._roll_storage_back(request))
                self._tell_end(request, done=done)
            case StoragePrune():
                done = self._guarded(lambda: self._prune_storage(request))
                if not done:
                    self._finished(request.transaction, str(Verdict.DEGRADED))
            case CreateBackup() | Restore():
                done = self._guarded(lambda: self._back_up(request))
                if not done:
                    self._finished(request.transaction, str(Verdict.DEGRADED))
            case PruneBackups():
                done = self._guarded(lambda: self._prune_backups(request))
                if not done:
                    request.fail(f"cannot remove backups: {self._bulletin.status.reason}")
            case PlanRequest():
                done = self._guarded(lambda: self._answer_plan(request))
                if not done:
                    request.fail(f"cannot plan: {self._bulletin.status.reason}")
            case _:
                pass

    def _serve_word(self, request: Confirm | Cancel | Pause | Resume) -> None:
        """Serve an operator's word on what is under way; it is always answered."""
        if isinstance(request, Cancel) and not self._heedful.withdraw(request):
            return  # heeded, and answered, while the transaction was under way
        try:
            request.answer(self._obey(request))
        except DockcfgdError as failure:
            request.answer(str(failure))
            raise

    def _obey(self, request: Confirm | Cancel | Pause | Resume) -> str:
        match request:
            case Confirm():
                return self._confirm(request)
            case Cancel():
                return self._cancel(request)
            case Pause():
                return self._pause(f"paused by {request.actor}", request.reason)
            case Resume():
                return self._resume()

    def _tell_end(self, request: Apply | Rollback | StorageRollback, *, done: bool) -> None:
        """Tell who waits for a request that it could not be served."""
        if done:
            return
        last, reason = self._bulletin.status.last, self._bulletin.status.reason
        if isinstance(request, Apply):
            request.agreed(f"it cannot be worked out: {reason}")
        if last is None or last.transaction != request.transaction:
            self._show_ended(request.transaction, Verdict.DEGRADED, reason)
        self._finished(request.transaction, str(Verdict.DEGRADED))

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Run one piece of work; whether it came to its end.

        Whatever goes wrong with it becomes the status, not the end of the daemon.
        """
        try:
            act()
        except StateFileFailure as failure:
            self._bulletin.settle(Condition.DEGRADED, str(failure))
        except DockcfgdError as failure:
            self._log.error("pass.failed", reason=str(failure))
            self._bulletin.settle(Condition.DEGRADED, str(failure))
        except Exception as error:  # noqa: BLE001 -- the daemon outlives its own mistakes, logged whole
            self._log.exception("pass.broken")
            reason = f"internal error, see the journal: {error!r}"
            self._bulletin.settle(Condition.DEGRADED, reason)
            self._guarded(lambda: self._after(self._transactions.break_off(reason)))
        else:
            return True
        return False

    # -- the transaction under way --------------------------------------------------------------

    def _finish(self) -> None:
        """End what was cut off, could not be written down, or was not confirmed in time."""
        # Here, as the state file may have been out of reach at the start.
        self._bulletin.paused = self._state.fact(_PAUSED)
        if not self._recalled:
            self._bulletin.recall(self._history.last_shown() or self._transactions.newest())
            self._recalled = True
        self._after(self._transactions.finish())
        if self._transactions.seconds_left == 0:
            self._take_back(Cause.UNCONFIRMED, NOT_CONFIRMED)

    def _take_back(self, cause: Cause, reason: str) -> None:
        waiting = self._transactions.awaiting
        ended = self._transactions.take_back(cause, reason)
        if waiting is not None and ended is not None:
            self._finished(waiting.id, str(ended.verdict))
        self._after(ended)

    def _confirm(self, request: Confirm) -> str:
        self._finish()
        waiting = self._transactions.awaiting
        if waiting is None:
            return _why_nothing_awaits(request, self._transactions.newest())
        if request.transaction not in {"", waiting.id}:
            return f"{_NOTHING_AWAITS} under {request.transaction}: it is {waiting.id} that does"
        ended = self._transactions.confirm()
        self._finished(waiting.id, str(Verdict.APPLIED if ended is None else ended.verdict))
        self._after(ended)
        return "" if ended is None or ended.verdict is Verdict.APPLIED else ended.reason or ""

    def _cancel(self, request: Cancel) -> str:
        self._finish()
        waiting = self._transactions.awaiting
        if waiting is None:
            return "nothing is under way that could be cancelled"
        if request.transaction not in {"", waiting.id}:
            return f"{request.transaction} is not under way: it is {waiting.id} that is"
        self._take_back(Cause.CANCELLED, f"cancelled by {request.actor}")
        return ""

    def _pause(self, by: str, reason: str) -> str:
        reason = self._scrubber.text(reason)
        self._state.remember(_PAUSED, f"{by}: {reason}" if reason else by)
        self._bulletin.paused = self._state.fact(_PAUSED)
        if self._transactions.awaiting is None:
            self._bulletin.settle_again()
        return ""

    def _resume(self) -> str:
        if not self._bulletin.paused:
            return "dockcfgd is not paused"
        self._state.remember(_PAUSED, "")
        self._bulletin.paused = ""
        return ""

    def _on_disk(self) -> str | None:
        version = self._bulletin.status.engine.version if self._bulletin.status.engine else ""
        return digest_on_disk(self._effects, self._settings, version)

    # -- one pass -------------------------------------------------------------------------------

    def _guarded_pass(self, request: Apply | None) -> bool:
        """Make a pass; whether it came to its end.

        What keeps it from that may last: it shows as what is so of the files that lie there, and
        those that are wrong, or were mended, show meanwhile.
        """
        done = self._guarded(lambda: self._pass(request))
        if not done:
            self._guarded(self._show_inputs)
        return done

    def _pass(self, request: Apply | None) -> None:
        if request is not None:
            self._patience.end_wait()
        self._finish()
        self._backing_up.settle()
        if self._awaits_confirmation(request):
            return
        self._freeing.settle()
        self._take_back_unproven(request)
        self._show_kept()
        if request is not None:
            self._bulletin.show(phase=Phase.PLANNING)
        name = request.transaction if request else secrets.token_hex(8)
        files = request.files if request else ()
        extra = tuple(
            Text(name=name_, shown=f"{self._settings.config_dirs[-1]}/{name_}", text=text)
            for name_, text in files
        )
        applied = self._history.applied()
        seen = assess(
            self._effects, self._settings, applied, extra=extra, name=name, notice=self._notice
        )
        self._scrubber.learn(seen.secrets)
        if request is not None:
            other = _another_plan(request, seen)
            request.agreed(other)
            if other:
                self._bulletin.rest()
                return
        standing = self._standing(seen, asked=request is not None)
        decision = decide(seen, standing)
        if decision.action is Action.WRITE_BACK:
            adopted = write_back(self._effects, self._settings, applied, seen)
            if isinstance(adopted, WriteBack):
                self._fights.note(seen.plan.drifts if seen.plan else ())
                self._write_back(adopted)
                self._pass(replace(request, plan="") if request else None)
                return
            decision = decide(seen, replace(standing, unadoptable=adopted))
        self._begin_anew(request, seen, decision)
        generation = self._generation(seen, decision, request)
        news = seen.digest != self._bulletin.status.digest or decision.action is Action.ACT
        # In one step with the inputs: what is new must never show under the old condition.
        phase = Phase.PLANNING if news else self._bulletin.status.phase
        self._show_seen(seen, generation, phase=phase)
        verdict = self._follow(seen, decision, generation, name, request)
        self._note_read(seen)
        if request is not None:
            self._finished(request.transaction, verdict)

    def _begin_anew(self, request: Apply | None, seen: Assessment, decision: Decision) -> None:
        """Leave behind what failed, as `apply` asks; what is refused or held up leaves it there."""
        if request is not None and _followed(seen, decision):
            self._history.forget_failure(seen.digest)
            self._transactions.begin_anew()

    def _awaits_confirmation(self, request: Apply | None) -> bool:
        """Whether a change does still, after a look at what lies on disk."""
        waiting = self._transactions.awaiting
        if waiting is None:
            return False
        if request is not None:
            request.agreed("a change awaits confirmation")
            self._finished(request.transaction, str(Verdict.REFUSED))
            return True
        if self._show_awaiting(waiting):
            self._transactions.show_awaiting()
            return True
        self._take_back(Cause.SUPERSEDED, "a newer desired state came before the confirmation")
        return False

    def _show_awaiting(self, waiting: OpenTransaction) -> bool:
        """Show the host with a change that waits; whether what lies on disk lets it wait on."""
        seen, commit = self._look(), Commit.from_json(waiting.commit_action)
        as_begun = seen.digest == commit.on_disk
        if not as_begun and not seen.findings:
            return False
        # What is proven is not refused, and to files of `apply`, which come with the word, what
        # lies on disk so far would call the change a drift.
        findings = () if as_begun else seen.findings
        plan = None if commit.files else seen.plan
        shown = replace(seen, findings=findings, plan=plan)
        self._show_seen(shown, waiting.generation, phase=self._bulletin.status.phase)
        self._show_kept()
        return True

    def _take_back_unproven(self, request: Apply | None) -> None:
        """Go back to what was proven last, where the engine did not start on what came since.

        The pass goes on with what is wanted now, on an engine that runs.
        """
        unproven = self._history.unproven
        barred = self._bulletin.paused or self._state.fact(DEGRADED)
        if unproven is None or (barred and request is None):
            return
        why = self._transactions.start_failure(ran=unproven.ran)
        proven = self._history.left_by(unproven.proven)
        if not why or proven is None or self._ran_meanwhile():
            return
        digest, applied = self._history.digest_of(unproven.generation), self._history.applied()
        seen = assess_return(
            self._effects, self._settings, proven=proven, applied=applied, digest=digest
        )
        self._scrubber.learn(seen.secrets)
        if seen.plan is None or seen.host is None or seen.findings or not seen.plan.way_back:
            self._log.warning("unproven.stays", findings=[one.text() for one in seen.findings])
            return
        self._transactions.take_back_unproven(
            secrets.token_hex(8),
            seen.plan,
            seen.host,
            generation=unproven.generation,
            commit=self._commit(seen, None),
            why=why,
        )

    def _ran_meanwhile(self) -> bool:
        """Whether what is in force may have run while nobody looked; then it is unproven no more.

        A start that failed after that tells nothing of it.
        """
        unread = self._history.unread
        ready = None if unread is None else self._transactions.ready_since(unread)
        if ready is False:
            return False
        reason = None if ready else _UNTOLD
        self._history.mark_read(invocation="", reason=reason)
        self._log.warning("unproven.ran_meanwhile", reason=reason)
        return True

    def _note_read(self, seen: Assessment) -> None:
        """Note that an engine serves on what is in force, whatever became of what is wanted."""
        unread = self._history.unread
        if unread is None:
            return
        # Files that are no TOML are refused without a look at the host.
        host = seen.host or look(self._effects, self._settings)[0]
        written = self._transactions.written(unread)
        if host and has_read(host, self._history.applied(), ran=unread.ran, written=written):
            self._history.mark_read(invocation=host.unit.invocation_id, reason=None)

    def _notice(self, seen: Assessment) -> None:
        self._scrubber.learn(seen.secrets)
        self._bulletin.show_noticed(seen)

    def _show_inputs(self) -> None:
        """Show which files lie there now, and what is wrong with them."""
        self._bulletin.show_inputs(self._look())

    def _look(self) -> Assessment:
        """Look at what lies on disk and at the host, with nothing to follow from it."""
        seen = assess(self._effects, self._settings, self._history.applied())
        self._scrubber.learn(seen.secrets)
        return seen

    def _write_back(self, adopted: WriteBack) -> None:
        """Make hand edits the desired state. Noted first, so that a crash leaves nothing unsaid."""
        self._history.adopt(
            adopted.digest,
            invocation=adopted.invocation,
            comment=self._scrubber.text(adopted.comment),
            now=self._effects.clock.now(),
        )
        adopted.put(self._effects.files)
        self._log.info("drift.adopted", file=adopted.file.path, comment=adopted.comment)

    def _standing(self, seen: Assessment, *, asked: bool) -> Standing:
        in_force, _ = self._history.applied_generation()
        version = seen.host.version if seen.host else ""
        newest = self._history.newest()
        new = self._history.digest_of(in_force) != seen.digest or self._awaited(seen)
        adopted = bool(seen.digest) and self._history.applied().adopted == seen.digest
        if asked or (new and not adopted):
            self._fights.forget()
        return Standing(
            new=new,
            fight="" if new or seen.plan is None else self._fights.lost(seen.plan.drifts),
            opening=self._opening(seen, asked=asked),
            adopted=adopted,
            untried=newest.digest == seen.digest and not newest.verdict,
            asked=asked,
            failure=self._history.failure(seen.digest, version),
            held=bool(seen.digest) and self._history.held == seen.digest,
            unread=self._history.unread is not None,
            degraded=self._state.fact(DEGRADED) or self._history.set_aside,
            paused=bool(self._bulletin.paused),
        )

    def _awaited(self, seen: Assessment) -> bool:
        """Whether an engine runs that what is in force was written for.

        One that began just before has not read it, which is no drift.
        """
        if seen.host is None or not isinstance(seen.host.engine, EngineState) or seen.plan is None:
            return False
        unread = self._history.unread is not None
        return unread and all(drift.where == "engine" for drift in seen.plan.drifts)

    def _opening(self, seen: Assessment, *, asked: bool) -> Opening:
        """Tell whether a restart may be done now, and remember when to look again."""
        self._opens = None
        heavy = seen.plan is not None and seen.plan.impact >= Impact.RESTART
        if asked or not heavy or seen.desired is None:
            return ALWAYS
        windows = seen.desired.policy.maintenance_windows
        try:
            stands = opening(windows, self._effects.calendar, self._effects.clock.now())
        except CalendarFailure as failure:
            return Opening(open=False, reason=str(failure))
        self._opens = stands.next
        return stands

    def _generation(self, seen: Assessment, decision: Decision, request: Apply | None) -> int:
        newest = self._history.newest()
        held = decision.action is Action.NOTHING and self._history.held == seen.digest
        in_force, _ = self._history.applied_generation()
        nothing_yet = decision.condition is Condition.UNMANAGED and in_force == 0
        if held or nothing_yet or newest.digest == seen.digest:
            return newest.number
        if in_force and self._history.digest_of(in_force) == seen.digest:
            return in_force
        if seen.host is not None:
            self._history.begin_with(
                seen.host.daemon_json, seen.host.drop_in, now=self._effects.clock.now()
            )
        return self._history.add(
            digest=seen.digest,
            origin="desired",
            comment=self._scrubber.text(request.comment) if request else "",
            actor=request.actor if request else "",
            uid=request.uid if request else None,
            now=self._effects.clock.now(),
        )

    def _follow(
        self,
        seen: Assessment,
        decision: Decision,
        generation: int,
        name: str,
        request: Apply | None,
    ) -> str:
        match decision.action:
            case Action.WRITE_BACK:
                raise StateFileFailure("cannot follow what is not decided")
            case Action.REFUSE:
                self._refuse(seen, decision, generation, name)
                return str(Verdict.REFUSED)
            case Action.ADOPT | Action.NOTHING:
                files = request.files if request else ()
                if files and not _followed(seen, decision):
                    return self._leave(seen, decision, generation, name)
                if decision.action is Action.ADOPT or (files and seen.target):
                    self._adopt(seen, generation, request)
                self._bulletin.settle(decision.condition, decision.reason)
                in_sync = decision.condition in {Condition.IN_SYNC, Condition.UNMANAGED}
                return str(Verdict.APPLIED) if in_sync else str(decision.condition)
            case Action.ACT:
                return self._act(seen, generation, name, request)

    def _leave(self, seen: Assessment, decision: Decision, generation: int, name: str) -> str:
        """Leave the files of an `apply` that the host holds up; nobody would follow them later."""
        reason = f"{decision.reason}; nothing was written, apply it again afterwards"
        self._refuse(seen, replace(decision, reason=reason), generation, name)
        return str(Verdict.REFUSED)

    def _refuse(self, seen: Assessment, decision: Decision, generation: int, name: str) -> None:
        newest = self._history.newest()
        if newest.verdict != Verdict.REFUSED or newest.reason != (decision.reason or ""):
            impact = seen.plan.impact.word if seen.plan else Impact.NONE.word
            reason = decision.reason
            if not self._in_force(seen.digest):
                self._history.judge(generation, verdict="refused", reason=reason, impact=impact)
            now = self._effects.clock.now()
            last = LastTransaction(name, generation, Verdict.REFUSED, impact, reason, now, now)
            self._bulletin.show(last=last)
            self._log.warning("desired.refused", generation=generation, reason=reason)
        self._bulletin.settle(decision.condition, decision.reason)

    def _adopt(self, seen: Assessment, generation: int, request: Apply | None) -> None:
        if seen.target is None or seen.host is None:
            return
        commit = self._commit(seen, request)
        commit.carry_out(
            self._effects.files,
            self._history,
            generation=generation,
            left=(seen.host.daemon_json, seen.host.drop_in),
            now=self._effects.clock.now(),
            invocation=self._transactions.invocation(commit),
        )
        self._show_in_force()

    def _commit(self, seen: Assessment, request: Apply | None, *, held: str = "") -> Commit:
        if seen.target is None or seen.host is None:
            raise StateFileFailure("cannot commit what has no target")
        files = request.files if request else ()
        return Commit(
            target=seen.target,
            files=files,
            folder=self._settings.config_dirs[-1],
            digest=seen.digest,
            held=held,
            on_disk=(self._on_disk() or "") if files or held else seen.digest,
            daemon_json=seen.host.daemon_json.path,
            engine=seen.host.version,
            kept=None
            if seen.plan is None
            else kept_by(
                seen.plan,
                seen.host,
                keep=seen.desired is None or seen.desired.storage.keep_previous,
            ),
            # One whose API is away runs, and has read what it was started with.
            unread=isinstance(seen.host.engine, EngineDown) and not seen.host.unit.running,
            ran=seen.host.unit.invocation_id,
            in_force=seen.plan is not None
            and surely_runs(seen.target, seen.host, steps=seen.plan.steps),
        )

    # -- acting -----------------------------------------------------------------------------

    def _act(self, seen: Assessment, generation: int, name: str, request: Apply | None) -> str:
        if request is None and self._patience.holds(seen.digest):
            self._bulletin.settle(Condition.DEGRADED, self._patience.reason)
            return str(Condition.DEGRADED)
        spent = "" if request else self._transactions.attempts.spent(seen.digest)
        if spent:
            self._bulletin.settle(Condition.DEGRADED, spent)
            return str(Condition.DEGRADED)
        in_force, _ = self._history.applied_generation()
        confirm = request.confirm if request else None
        if confirm is None:
            confirm = seen.desired.policy.confirm_timeout if seen.desired else 0.0
        commit = self._commit(seen, request)
        put_back = request is None and generation == in_force and seen.plan is not None
        if commit.unread or put_back:
            # Nothing runs on it yet that could go back after a while, or that while is over: what
            # is in force had its word, and going back would be to what nobody asked for.
            confirm = 0.0
        verdict = self._transact(seen, generation, name, commit, confirm=confirm)
        if put_back and seen.plan is not None and verdict == Verdict.APPLIED:
            self._fights.note(seen.plan.drifts)
        return verdict

    def _transact(
        self, seen: Assessment, generation: int, name: str, commit: Commit, *, confirm: float
    ) -> str:
        """Carry out the plan; `awaiting-confirmation` where its end has to wait."""
        if seen.plan is None or seen.host is None:
            raise StateFileFailure("cannot act without a plan")
        # It may have been edited since the first look, while this was held or refused.
        now = self._effects.clock.now()
        self._history.begin_with(seen.host.daemon_json, seen.host.drop_in, now=now)
        ended = self._transactions.carry_out(
            name, seen.plan, seen.host, generation=generation, commit=commit, confirm=confirm
        )
        self._after(ended)
        waiting = self._transactions.awaiting
        if waiting is not None:
            # Newer files are for the look that follows them.
            self._show_awaiting(waiting)
        return str(Phase.AWAITING_CONFIRMATION if ended is None else ended.verdict)

    def _after(self, ended: Ended | None) -> None:
        """Say how things stand after a transaction, with a fresh look at the host."""
        if ended is None:
            return
        seen = self._show_as_is()
        if ended.verdict is Verdict.DEGRADED:
            self._bulletin.settle(Condition.DEGRADED, ended.reason)
        elif ended.verdict is Verdict.APPLIED:
            self._after_success(seen)
        elif ended.cause in {Cause.SUPERSEDED, Cause.STOPPED, Cause.STARTED}:
            self._look_again(ended.reason)
        elif ended.cause.remembered and self._in_force(ended.commit.digest):
            self._bulletin.settle(Condition.DEGRADED, f"{NOT_KEPT}: {ended.reason}")
        elif ended.cause.remembered:
            self._bulletin.settle(Condition.REJECTED, ended.reason)
        else:
            self._bulletin.settle(Condition.DEGRADED, ended.reason)

    def _show_as_is(self) -> Assessment:
        """Show what a fresh look at the host gives."""
        seen = assess(self._effects, self._settings, self._history.applied())
        newest = self._history.newest().number
        self._show_seen(seen, newest, phase=self._bulletin.status.phase)
        return seen

    def _in_force(self, digest: str) -> bool:
        return self._history.digest_of(self._history.applied_generation()[0]) == digest

    def _after_success(self, seen: Assessment) -> None:
        kept = self._show_kept()
        self._backing_up.after_migration(in_use=self._transactions.kept.backups)
        if kept is not None and kept.freeing:
            # Whoever waits for the change need not wait for that too.
            self.enqueue(Look("what the storage had before is not to be kept"))
        decision = decide(seen, self._standing(seen, asked=False))
        if decision.action in {Action.REFUSE, Action.ACT}:
            self._look_again("something changed meanwhile")
        else:
            self._bulletin.settle(decision.condition, decision.reason)

    def _look_again(self, reason: str | None) -> None:
        self.enqueue(Look(reason or ""))
        self._bulletin.look_again(reason)

    # -- rolling back by hand ---------------------------------------------------------------

    def _roll_back(self, request: Rollback) -> None:
        self._finish()
        if self._transactions.awaiting is not None:
            self._finished(request.transaction, str(Verdict.REFUSED))
            return
        number = request.generation
        if number is None:
            number = self._history.before(self._history.applied_generation()[0])
        wanted = None if number is None else self._history.left_by(number)
        if wanted is None or number is None:
            none = "there is no earlier generation"
            why = none if number is None else self._history.never_in_force(number)
            self._refuse_request(request.transaction, f"cannot roll back: {why}")
            return
        self._bulletin.show(phase=Phase.PLANNING)
        present = assess(self._effects, self._settings, self._history.applied()).digest
        seen = assess_rollback(
            self._effects,
            self._settings,
            wanted=wanted,
            applied=self._history.applied(),
            digest=f"rollback-to-{number}",
            name=request.transaction,
        )
        self._scrubber.learn(seen.secrets)
        waiting = why_not_now(seen.host)
        if waiting:
            self._refuse_request(request.transaction, f"cannot roll back: {waiting}; {_LATER}")
            return
        if seen.findings or seen.plan is None:
            why = seen.findings[0].text() if seen.findings else seen.unseen
            self._refuse_request(request.transaction, f"cannot roll back: {why}")
            return
        self._transactions.begin_anew()
        generation = self._history.add(
            digest=seen.digest,
            origin="rollback",
            comment=self._scrubber.text(request.comment) or f"back to generation {number}",
            actor=request.actor,
            uid=request.uid,
            now=self._effects.clock.now(),
        )
        commit = self._commit(seen, None, held=present)
        if seen.plan.steps or seen.host is None:
            verdict = self._transact(seen, generation, request.transaction, commit, confirm=0.0)
        else:
            commit.carry_out(
                self._effects.files,
                self._history,
                generation=generation,
                left=(seen.host.daemon_json, seen.host.drop_in),
                now=self._effects.clock.now(),
                invocation=self._transactions.invocation(commit),
            )
            self._after_success(self._show_as_is())
            verdict = str(Condition.PENDING if commit.unread else Verdict.APPLIED)
        self._finished(request.transaction, verdict)

    # -- what is kept of the storage --------------------------------------------------------------

    def _roll_storage_back(self, request: StorageRollback) -> None:
        self._finish()
        if self._transactions.awaiting is not None:
            self._finished(request.transaction, str(Verdict.REFUSED))
            return
        self._backing_up.settle()
        kept = self._transactions.kept.kept
        if kept is None:
            why = "nothing is kept of the storage, see dockcfgctl storage status"
            self._refuse_request(request.transaction, f"cannot go back: {why}")
            return
        self._bulletin.show(phase=Phase.PLANNING)
        applied = self._history.applied()
        present = assess(self._effects, self._settings, applied)
        seen = assess_storage_rollback(
            self._effects,
            self._settings,
            kept,
            applied,
            desired=present.desired,
            back_up=request.back_up,
            name=request.transaction,
        )
        self._scrubber.learn(seen.secrets | present.secrets)
        if seen.findings or seen.plan is None or not seen.plan.steps:
            why = seen.findings[0].text() if seen.findings else seen.unseen or "nothing differs"
            self._refuse_request(request.transaction, f"cannot go back: {why}")
            return
        self._transactions.begin_anew()
        generation = self._history.add(
            digest=seen.digest,
            origin="rollback",
            comment=self._scrubber.text(request.comment) or f"storage back to {kept.driver}",
            actor=request.actor,
            uid=request.uid,
            now=self._effects.clock.now(),
        )
        commit = self._commit(seen, None, held=present.digest)
        verdict = self._transact(seen, generation, request.transaction, commit, confirm=0.0)
        self._finished(request.transaction, verdict)

    def _prune_storage(self, request: StoragePrune) -> None:
        self._finish()
        # A change that came first may wait by now, and its way back needs what would be freed.
        if self._transactions.awaiting is not None:
            self._freeing.refuse(request, _AWAITS)
            return
        self._backing_up.settle()
        self._freeing.serve(request)
        if self._show_kept() is None:
            # What was refused for it can be done now.
            self.enqueue(Look("nothing is kept of the storage any more"))

    def _show_kept(self) -> KeptStorage | None:
        kept = self._transactions.kept.kept
        self._bulletin.show(kept=None if kept is None else KeptSummary.of(kept))
        return kept

    def _refuse_request(self, transaction: str, reason: str) -> None:
        self._show_ended(transaction, Verdict.REFUSED, reason)
        self._bulletin.rest()
        self._finished(transaction, str(Verdict.REFUSED))

    def _show_ended(self, transaction: str, verdict: Verdict, reason: str | None) -> None:
        """Show how a request ended that came to no step."""
        now, generation = self._effects.clock.now(), self._bulletin.status.generation
        last = LastTransaction(transaction, generation, verdict, "none", reason, now, now)
        self._bulletin.show(last=last)

    def _answer_plan(self, request: PlanRequest) -> None:
        folder = self._settings.config_dirs[-1]
        extra = tuple(
            Text(name=name, shown=f"{folder}/{name}", text=text) for name, text in request.files
        )
        applied = self._history.applied()
        seen = assess_to_show(self._effects, self._settings, applied, extra=extra)
        self._scrubber.learn(seen.secrets)
        preview = Preview(seen, past_transactions(self._state))
        request.reply(json.dumps(preview.document()))

    # -- backups --------------------------------------------------------------------------------

    @property
    def _at_leisure(self) -> bool:
        return self._transactions.awaiting is None and not self._bulletin.paused

    def _keep_schedule(self) -> None:
        if self._at_leisure:
            self._guarded(self._backing_up.scheduled)

    def _back_up(self, request: CreateBackup | Restore) -> None:
        self._finish()
        # It may take long, and neither the word nor the deadline would be heeded meanwhile.
        if self._transactions.awaiting is not None:
            self._backing_up.refuse(request, _AWAITS)
            return
        self._backing_up.settle()
        self._backing_up.serve(request)

    def _prune_backups(self, request: PruneBackups) -> None:
        self._finish()
        self._backing_up.prune(request, in_use=self._transactions.backups_needed)

    # -- showing ----------------------------------------------------------------------------

    def _show_in_force(self) -> None:
        """Show the generation that was noted as in force without a transaction."""
        in_force, since = self._history.applied_generation()
        self._bulletin.show(applied_generation=in_force, applied_at=since)

    def _show_seen(self, seen: Assessment, generation: int, *, phase: Phase) -> None:
        self._recheck.note(seen.host)
        if seen.desired is not None or not seen.findings:
            self._backing_up.note(seen.desired)
        if seen.host is not None:
            self.folders = folders_of(seen.host)
        self._bulletin.show_seen(
            seen,
            generation=generation,
            in_force=self._history.applied_generation(),
            backups=self._backing_up.count(),
            phase=phase,
        )


def _followed(seen: Assessment, decision: Decision) -> bool:
    """Whether what an operator asks for is done now, or is so already."""
    if decision.action is not Action.NOTHING:
        return decision.action is not Action.REFUSE
    nothing_to_do = seen.plan is not None and not seen.plan.steps and not seen.findings
    return nothing_to_do or decision.condition in {Condition.IN_SYNC, Condition.UNMANAGED}


def _why_nothing_awaits(request: Confirm, newest: LastTransaction | None) -> str:
    """Say that nothing waits for the word, and where it came too late, what to do instead."""
    if newest is None or newest.verdict is not Verdict.ROLLED_BACK:
        return _NOTHING_AWAITS
    if request.transaction not in {"", newest.transaction}:
        return _NOTHING_AWAITS
    return (
        f"{_NOTHING_AWAITS}: {newest.transaction} went back ({newest.reason}); to make it again:"
        " dockcfgctl apply, with the files that it was given, if any"
    )


def _another_plan(request: Apply, seen: Assessment) -> str:
    """Say why what would be done is not what was agreed to; empty where it is."""
    planned = seen.plan.id if seen.plan else ""
    if request.plan in {"", planned}:
        return ""
    impact = f" ({seen.plan.impact.word})" if seen.plan else ""
    return f"the plan is {planned or 'none'}{impact} by now, not {request.plan}: look at it again"
