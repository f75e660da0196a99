"""The one writer: takes requests from its inbox, looks, decides, acts, and publishes what is so."""

from __future__ import annotations

import json
import queue
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.desired.load import Text
from dockcfgd.history import History, past_transactions
from dockcfgd.log import get_logger
from dockcfgd.migration import archive, disposable
from dockcfgd.model.errors import DockcfgdError, StateFileFailure, SystemdFailure
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.status import (
    Condition,
    EngineSummary,
    FindingView,
    InputView,
    LastTransaction,
    Phase,
    Progress,
    Status,
    Verdict,
)
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.planning.compare import surely_runs
from dockcfgd.planning.secrecy import secrets_of_applied
from dockcfgd.planning.target import Applied
from dockcfgd.reconcile.assess import Assessment, assess, assess_rollback
from dockcfgd.reconcile.commit import Commit
from dockcfgd.reconcile.decide import ROLLED_BACK, Action, Decision, Standing, decide
from dockcfgd.reconcile.patience import Patience
from dockcfgd.reconcile.preview import Preview, detailed, drift_document
from dockcfgd.reconcile.requests import Apply, Look, PlanRequest, Request, Rollback, Stop
from dockcfgd.reconcile.write_back import WriteBack, write_back
from dockcfgd.scrub import Scrubber
from dockcfgd.transaction.executor import Ending, Executor
from dockcfgd.transaction.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.effects import Effects
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan
    from dockcfgd.planning.target import Target
    from dockcfgd.settings import Settings
    from dockcfgd.state_file import StateFile
    from dockcfgd.transaction.journal import OpenTransaction

__all__ = ["Reconciler"]

_INBOX = 1000
_DEBOUNCE = 0.15
_DEGRADED = "degraded"
_HELD = "change a file, or `dockcfgctl apply` to have what was rolled back again"
_NEXT = {
    Condition.UNMANAGED: "put a desired state into /etc/dockcfgd/conf.toml",
    Condition.PENDING: "see the reason; `dockcfgctl apply` does it now",
    Condition.DRIFTED: "`dockcfgctl apply` puts it back",
    Condition.REJECTED: "mend the files; `dockcfgctl apply` tries the same again",
    Condition.DEGRADED: "see `journalctl -u dockcfgd -u docker`; then `dockcfgctl apply`",
}


class Reconciler:
    """Owns all state that changes.

    `run` is its thread; `enqueue` and `snapshot` are for any thread.
    """

    def __init__(
        self,
        effects: Effects,
        state: StateFile,
        settings: Settings,
        *,
        first: Status,
        publish: Callable[[Status], None],
        finished: Callable[[str, str], None],
        scrubber: Scrubber | None = None,
    ) -> None:
        self._effects, self._settings = effects, settings
        self._scrubber = scrubber or Scrubber()
        self._state, self._history, self._journal = state, History(state), Journal(state)
        self._publish, self._finished = publish, finished
        self._inbox: queue.Queue[Request] = queue.Queue(_INBOX)
        self._status = first
        self._patience = Patience(effects.clock)
        self._executor = Executor(
            effects, self._journal, tell=self._tell_step, progress=self._tell_progress
        )
        self._open: OpenTransaction | None = None
        self._unwritten: tuple[OpenTransaction, Ending, str] | None = None
        self._log = get_logger()

    def enqueue(self, request: Request) -> None:
        """Put a request into the inbox; queue.Full where too much waits."""
        if isinstance(request, Look) and not self._inbox.empty():
            self._inbox.put(request) if self._inbox.qsize() < _INBOX // 2 else None
            return
        self._inbox.put_nowait(request)

    def snapshot(self) -> Status:
        """Give the newest status."""
        return self._status

    def run(self) -> None:
        """Recover, then serve requests until Stop."""
        self._guarded(self._recover)
        self._guarded(lambda: self._pass(None))
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
        """Wait for a request; one to look again comes when a failed change is due."""
        try:
            return self._inbox.get(timeout=self._patience.left)
        except queue.Empty:
            self._patience.end_wait()
            return Look("time to try again")

    def _serve(self, pending: list[Request]) -> bool:
        """Serve what waits; looks become one. Whether to stop."""
        if any(isinstance(request, Stop) for request in pending):
            return True
        if any(isinstance(request, Look) for request in pending):
            self._guarded(lambda: self._pass(None))
        for request in pending:
            match request:
                case Apply():
                    done = self._guarded(lambda one=request: self._pass(one))  # type: ignore[misc]
                    self._tell_end(request, done=done)
                case Rollback():
                    done = self._guarded(lambda one=request: self._roll_back(one))  # type: ignore[misc]
                    self._tell_end(request, done=done)
                case PlanRequest():
                    self._guarded(lambda one=request: self._answer_plan(one))  # type: ignore[misc]
                case Look() | Stop():
                    pass
        return False

    def _tell_end(self, request: Apply | Rollback, *, done: bool) -> None:
        """Tell who waits for a request that it could not be served."""
        if not done:
            self._finished(request.transaction, str(Verdict.DEGRADED))

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Run one piece of work; whether it came to its end.

        Whatever goes wrong with it becomes the status, not the end of the daemon.
        """
        try:
            act()
        except StateFileFailure as failure:
            self._settle(Condition.DEGRADED, str(failure))
        except DockcfgdError as failure:
            self._log.error("pass.failed", reason=str(failure))
            self._settle(Condition.DEGRADED, str(failure))
        except Exception as error:  # noqa: BLE001 -- the daemon outlives its own mistakes, logged whole
            self._log.exception("pass.broken")
            reason = f"internal error, see the journal: {error!r}"
            self._settle(Condition.DEGRADED, reason)
            if self._open is not None:
                self._open = None
                self._guarded(lambda: self._take_back(reason))
        else:
            return True
        return False

    # -- recovery ---------------------------------------------------------------------------

    def _recover(self) -> None:
        """End a transaction that was cut off, or that could not be written down to its end."""
        transaction = self._journal.unfinished()
        if transaction is None:
            return
        self._learn(self._history.applied())
        self._learn(Commit.from_json(transaction.commit_action).target)
        self._log.warning("transaction.recovering", transaction=transaction.id)
        self._open = transaction
        self._begin_last(transaction, transaction.generation, transaction.impact)
        ending = self._executor.recover(transaction)
        self._end(transaction, ending, "")

    def _learn(self, left: Applied | Target) -> None:
        """Know the secrets of a generation before anything quotes them."""
        self._scrubber.learn(
            secrets_of_applied(Applied(document=left.document or {}, drop_in=left.drop_in))
        )

    def _finish_open(self) -> None:
        """End what could not be written down before; it is not done twice for that."""
        if self._unwritten is not None:
            self._end(*self._unwritten)
        elif self._open is not None:
            self._recover()

    def _take_back(self, reason: str) -> None:
        """Undo a transaction that a mistake of dockcfgd broke; it would break again."""
        transaction = self._journal.unfinished()
        if transaction is not None:
            ending = self._executor.take_back(transaction, reason=reason, blame=True)
            self._end(transaction, ending, self._engine_version())

    def _engine_version(self) -> str:
        return self._status.engine.version if self._status.engine else ""

    # -- one pass ---------------------------------------------------------------------------

    def _pass(self, request: Apply | None) -> None:
        self._finish_open()
        if request is not None:
            self._history.forget_failures()
            self._state.remember(_DEGRADED, "")
            self._show(phase=Phase.PLANNING)
        name = request.transaction if request else secrets.token_hex(8)
        files = request.files if request else ()
        extra = tuple(
            Text(name=name_, shown=f"{self._settings.config_dirs[-1]}/{name_}", text=text)
            for name_, text in files
        )
        applied = self._history.applied()
        seen = assess(self._effects, self._settings, applied, extra=extra, name=name)
        self._scrubber.learn(seen.secrets)
        standing = self._standing(seen, asked=request is not None)
        decision = decide(seen, standing)
        if decision.action is Action.WRITE_BACK:
            adopted = write_back(self._effects, self._settings, applied, seen)
            if isinstance(adopted, WriteBack):
                self._write_back(adopted)
                self._pass(request)
                return
            decision = decide(seen, replace(standing, unadoptable=adopted))
        generation = self._generation(seen, decision, request)
        news = seen.digest != self._status.digest or decision.action is Action.ACT
        # In one step with the inputs: what is new must never show under the old condition.
        self._show_seen(seen, generation, phase=Phase.PLANNING if news else self._status.phase)
        verdict = self._follow(seen, decision, generation, name, request)
        if request is not None:
            self._finished(request.transaction, verdict)

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
        return Standing(
            new=self._history.digest_of(in_force) != seen.digest,
            adopted=bool(seen.digest) and self._history.applied().adopted == seen.digest,
            untried=newest.digest == seen.digest and not newest.verdict,
            asked=asked,
            failure=self._history.failure(seen.digest, version),
            held=bool(seen.digest) and self._history.held == seen.digest,
            degraded=self._state.fact(_DEGRADED),
        )

    def _generation(self, seen: Assessment, decision: Decision, request: Apply | None) -> int:
        newest = self._history.newest()
        held = decision.action is Action.NOTHING and self._history.held == seen.digest
        nothing_yet = decision.condition is Condition.UNMANAGED and newest.number == 0
        if held or nothing_yet or newest.digest == seen.digest:
            return newest.number
        in_force, _ = self._history.applied_generation()
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
                if decision.action is Action.ADOPT or (request and request.files and seen.target):
                    self._adopt(seen, generation, request)
                self._settle(decision.condition, decision.reason)
                in_sync = decision.condition in {Condition.IN_SYNC, Condition.UNMANAGED}
                return str(Verdict.APPLIED) if in_sync else str(decision.condition)
            case Action.ACT:
                return self._act(seen, decision, generation, name, request)

    def _refuse(self, seen: Assessment, decision: Decision, generation: int, name: str) -> None:
        newest = self._history.newest()
        if newest.verdict != Verdict.REFUSED or newest.reason != (decision.reason or ""):
            impact = seen.plan.impact.word if seen.plan else Impact.NONE.word
            reason = decision.reason
            self._history.judge(generation, verdict="refused", reason=reason, impact=impact)
            now = self._effects.clock.now()
            last = LastTransaction(name, generation, Verdict.REFUSED, impact, reason, now, now)
            self._show(last=last)
            self._log.warning("desired.refused", generation=generation, reason=reason)
        self._settle(decision.condition, decision.reason)

    def _adopt(self, seen: Assessment, generation: int, request: Apply | None) -> None:
        if seen.target is None or seen.host is None:
            return
        commit = self._commit(seen, request)
        content = seen.host.daemon_json.content if seen.host.daemon_json.present else None
        commit.carry_out(
            self._effects.files,
            self._history,
            generation=generation,
            content=content,
            now=self._effects.clock.now(),
            invocation=self._invocation(commit),
        )

    def _commit(self, seen: Assessment, request: Apply | None, *, held: str = "") -> Commit:
        if seen.target is None:
            raise StateFileFailure("cannot commit what has no target")
        return Commit(
            target=seen.target,
            files=request.files if request else (),
            folder=self._settings.config_dirs[-1],
            digest=seen.digest,
            held=held,
            in_force=seen.plan is not None
            and seen.host is not None
            and surely_runs(seen.target, seen.host, steps=seen.plan.steps),
        )

    # -- acting -----------------------------------------------------------------------------

    def _act(
        self,
        seen: Assessment,
        decision: Decision,
        generation: int,
        name: str,
        request: Apply | None,
    ) -> str:
        if request is None and self._patience.holds(seen.digest):
            self._settle(Condition.DEGRADED, self._status.reason)
            return str(Condition.DEGRADED)
        del decision
        return self._transact(seen, generation, name, self._commit(seen, request))

    def _transact(self, seen: Assessment, generation: int, name: str, commit: Commit) -> str:
        plan, host = seen.plan, seen.host
        if plan is None or host is None:
            raise StateFileFailure("cannot act without a plan")
        self._log.info(
            "transaction.begins", transaction=name, generation=generation, impact=plan.impact.word
        )
        transaction = self._journal.open(
            name,
            plan,
            generation=generation,
            commit_action=commit.to_json(),
            invocation=host.unit.invocation_id,
            now=self._effects.clock.now(),
        )
        self._open = transaction
        self._show_drifts(plan)
        self._begin_last(transaction, generation, plan.impact.word)
        ending = self._executor.run(transaction)
        self._end(transaction, ending, host.version)
        return str(self._status.last.verdict if self._status.last else ending.verdict)

    def _end(self, transaction: OpenTransaction, ending: Ending, version: str) -> None:
        commit = Commit.from_json(transaction.commit_action)
        ending = self._discreet(ending)
        self._unwritten = (transaction, ending, version)
        if ending.verdict is Verdict.APPLIED:
            ending = self._discreet(self._committed(transaction, commit, ending))
            self._unwritten = (transaction, ending, version)
        clock = self._effects.clock
        verdict, reason = ending.verdict, ending.reason
        if verdict is not Verdict.APPLIED:
            self._history.judge(
                transaction.generation,
                verdict=str(verdict),
                reason=reason,
                impact=transaction.impact,
            )
        if verdict is Verdict.ROLLED_BACK and not ending.blame:
            self._patience.lose(commit.digest, edited=ending.edited)
        else:
            self._patience.regain()
        if ending.blame and reason:
            self._history.remember_failure(commit.digest, version, reason)
        if verdict is Verdict.DEGRADED:
            self._state.remember(_DEGRADED, reason or "degraded")
        if verdict is not Verdict.DEGRADED:
            disposable.forget(f"{self._settings.state_dir}/kept/{transaction.id}")
        self._journal.close(transaction.id, verdict=str(verdict), reason=reason, now=clock.now())
        self._open, self._unwritten = None, None
        told = self._history.adopted_by(transaction.generation)
        self._finish_last(transaction, verdict, reason or told or None)
        self._log.info(
            "transaction.ended", transaction=transaction.id, verdict=str(verdict), reason=reason
        )
        self._after(verdict, reason, blame=ending.blame, commit=commit)

    def _discreet(self, ending: Ending) -> Ending:
        """Take secrets out of a reason before it is kept, shown and logged."""
        return replace(ending, reason=ending.reason and self._scrubber.text(ending.reason))

    def _committed(self, transaction: OpenTransaction, commit: Commit, ending: Ending) -> Ending:
        """Commit; where the files of `apply` cannot be kept, take the change back.

        What is proven stays where only the state file fails; it is written down at the next look.
        """
        try:
            self._carry_out(transaction, commit)
        except StateFileFailure:
            raise
        except DockcfgdError as failure:
            known = self._journal.unfinished() or transaction
            return self._executor.take_back(known, reason=str(failure), blame=False)
        return ending

    def _carry_out(self, transaction: OpenTransaction, commit: Commit) -> None:
        state = self._effects.files.read(self._daemon_json())
        commit.carry_out(
            self._effects.files,
            self._history,
            generation=transaction.generation,
            content=state.content if state.present else None,
            now=self._effects.clock.now(),
            invocation=self._invocation(commit),
        )
        self._history.judge(
            transaction.generation, verdict="applied", reason=None, impact=transaction.impact
        )

    def _invocation(self, commit: Commit) -> str:
        """Give the engine's run if it surely has all of the commit in force, else nothing."""
        if not commit.in_force:
            return ""
        try:
            unit = self._effects.systemd.unit(DOCKER_SERVICE)
        except SystemdFailure:
            return ""
        return unit.invocation_id if unit.running else ""

    def _daemon_json(self) -> str:
        return self._settings.daemon_json

    def _after(self, verdict: Verdict, reason: str | None, *, blame: bool, commit: Commit) -> None:
        """Say how things stand after a transaction, with a fresh look at the host."""
        applied = self._history.applied()
        seen = assess(self._effects, self._settings, applied)
        self._show_seen(seen, self._history.newest().number, phase=self._status.phase)
        if verdict is Verdict.APPLIED and commit.held:
            self._settle(Condition.REJECTED, ROLLED_BACK)
        elif verdict is Verdict.APPLIED:
            decision = decide(seen, self._standing(seen, asked=False))
            if decision.action in {Action.REFUSE, Action.ACT}:
                self.enqueue(Look("something changed meanwhile"))
                self._settle(Condition.PENDING, "something changed meanwhile")
            else:
                self._settle(decision.condition, decision.reason)
            directory = seen.desired.backup.directory if seen.desired else ""
            if directory and seen.desired:
                archive.prune(directory, keep=seen.desired.backup.keep, in_use=())
        elif verdict is Verdict.DEGRADED or not blame:
            self._settle(Condition.DEGRADED, reason)
        else:
            self._settle(Condition.REJECTED, reason)

    # -- rolling back by hand ---------------------------------------------------------------

    def _roll_back(self, request: Rollback) -> None:
        self._finish_open()
        self._state.remember(_DEGRADED, "")
        in_force, _ = self._history.applied_generation()
        number = (
            self._history.before(in_force) if request.generation is None else request.generation
        )
        wanted = None if number is None else self._history.left_by(number)
        if wanted is None or number is None:
            what = (
                "there is no earlier generation"
                if number is None
                else f"generation {number} was never in force"
            )
            self._refuse_request(request.transaction, f"cannot roll back: {what}")
            return
        self._show(phase=Phase.PLANNING)
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
        if seen.findings or seen.plan is None:
            why = seen.findings[0].text() if seen.findings else seen.unseen
            self._refuse_request(request.transaction, f"cannot roll back: {why}")
            return
        generation = self._history.add(
            digest=seen.digest,
            origin="rollback",
            comment=self._scrubber.text(request.comment) or f"back to generation {number}",
            actor=request.actor,
            now=self._effects.clock.now(),
        )
        commit = self._commit(seen, None, held=present)
        if seen.plan.steps:
            verdict = self._transact(seen, generation, request.transaction, commit)
        else:
            host = seen.host
            content = host.daemon_json.content if host and host.daemon_json.present else None
            commit.carry_out(
                self._effects.files,
                self._history,
                generation=generation,
                content=content,
                now=self._effects.clock.now(),
                invocation=self._invocation(commit),
            )
            in_force, since = self._history.applied_generation()
            self._show(applied_generation=in_force, applied_at=since)
            self._settle(Condition.REJECTED, ROLLED_BACK)
            verdict = str(Verdict.APPLIED)
        self._finished(request.transaction, verdict)

    def _refuse_request(self, transaction: str, reason: str) -> None:
        now = self._effects.clock.now()
        last = LastTransaction(
            transaction, self._status.generation, Verdict.REFUSED, "none", reason, now, now
        )
        self._show(last=last, phase=Phase.IDLE)
        self._finished(transaction, str(Verdict.REFUSED))

    def _answer_plan(self, request: PlanRequest) -> None:
        folder = self._settings.config_dirs[-1]
        extra = tuple(
            Text(name=name, shown=f"{folder}/{name}", text=text) for name, text in request.files
        )
        seen = assess(self._effects, self._settings, self._history.applied(), extra=extra)
        self._scrubber.learn(seen.secrets)
        preview = Preview(detailed(self._effects, seen), past_transactions(self._state))
        request.reply(json.dumps(preview.document()))

    # -- showing ----------------------------------------------------------------------------

    def _show(self, **changes: object) -> None:
        status = replace(self._status, **changes)  # type: ignore[arg-type]  # names are Status's own
        status = self._scrubber.status(status)
        if status != self._status:
            self._status = status
            self._publish(status)

    def _show_seen(self, seen: Assessment, generation: int, *, phase: Phase) -> None:
        in_force, since = self._history.applied_generation()
        self._show(
            phase=phase,
            generation=generation,
            digest=seen.digest,
            files=tuple(
                InputView(file.path, file.inode, file.mtime_ns, file.size) for file in seen.files
            ),
            folders=seen.folders,
            errors=tuple(
                FindingView(found.file, found.line, found.key, found.message, found.hint)
                for found in seen.findings
            ),
            applied_generation=in_force,
            applied_at=since,
            engine=None if seen.host is None else _engine(seen.host),
            backups=self._backups(seen),
            drifts=()
            if seen.plan is None
            else tuple(drift_document(drift) for drift in seen.plan.drifts),
        )

    def _show_drifts(self, plan: Plan) -> None:
        self._show(drifts=tuple(drift_document(drift) for drift in plan.drifts))

    def _backups(self, seen: Assessment) -> int:
        directory = seen.desired.backup.directory if seen.desired else "/var/lib/dockcfgd/backups"
        return sum(1 for backup in archive.list_backups(directory) if backup.complete)

    def _settle(self, condition: Condition, reason: str | None) -> None:
        """Come to rest with a condition."""
        self._show(
            phase=Phase.IDLE,
            condition=condition,
            reason=reason,
            progress=None,
            next_step=_HELD if reason == ROLLED_BACK else _NEXT.get(condition, ""),
        )
        try:
            self._history.keep_status(self._status.document())
        except StateFileFailure as failure:
            self._log.error("state.unwritable", reason=str(failure))

    def _begin_last(self, transaction: OpenTransaction, generation: int, impact: str) -> None:
        last = LastTransaction(
            transaction.id, generation, None, impact, None, transaction.started, None
        )
        self._show(last=last, phase=Phase.APPLYING, reason=None)

    def _finish_last(
        self, transaction: OpenTransaction, verdict: Verdict, reason: str | None
    ) -> None:
        now = self._effects.clock.now()
        last = LastTransaction(
            transaction=transaction.id,
            generation=transaction.generation,
            verdict=verdict,
            impact=transaction.impact,
            reason=reason,
            started=transaction.started,
            finished=now,
            steps=self._journal.views(transaction.id, now=now),
        )
        self._show(last=last, progress=None)

    def _tell_step(self, phase: Phase) -> None:
        if self._open is None or self._status.last is None:
            return
        views = self._journal.views(self._open.id, now=self._effects.clock.now())
        self._show(phase=phase, last=replace(self._status.last, steps=views), progress=None)

    def _tell_progress(self, *, item: str, done: int, total: int, unit: str) -> None:
        steps = self._status.last.steps if self._status.last else ()
        step = steps[-1].name if steps else ""
        self._show(progress=Progress(step, item, done, total, unit))


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
