"""Backups and restores outside of a change: at an operator's word, and by schedule.

For the reconciler's thread. What a backup would leave behind if it were cut off (its folder, held
containers, images of writable layers) is noted in the state file first, and cleared away at the
next look.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.log import get_logger
from dockcfgd.migration import archive, holding, live_backup, restoring
from dockcfgd.migration.documents import Document, tables, text
from dockcfgd.model.errors import BackupRefused, DockcfgdError
from dockcfgd.model.policy import Backup
from dockcfgd.model.status import Task, Verdict
from dockcfgd.reconcile.backup_schedule import BackupSchedule
from dockcfgd.reconcile.requests import CreateBackup, PruneBackups, Restore
from dockcfgd.reconcile.working import Work
from dockcfgd.transaction.executor import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import DesiredState, Json
    from dockcfgd.reconcile.attention import Heedful
    from dockcfgd.reconcile.bulletin import Bulletin
    from dockcfgd.scrub import Scrubber
    from dockcfgd.state_file import StateFile

__all__ = ["BackingUp"]

_UNDER_WAY = "backup-under-way"


class BackingUp:
    """Makes, restores and removes backups, one at a time.

    `finished` is told once of each request's end. What `note` gives is the newest `[backup]` table.
    """

    def __init__(
        self,
        effects: Effects,
        state: StateFile,
        *,
        bulletin: Bulletin,
        attention: Heedful,
        scrubber: Scrubber,
        finished: Callable[[str, str], None],
    ) -> None:
        self._effects, self._state, self._bulletin = effects, state, bulletin
        self._attention, self._scrubber, self._finished = attention, scrubber, finished
        self._table = Backup()
        self._schedule = BackupSchedule(effects, state)
        self._log = get_logger()

    @property
    def directory(self) -> str:
        """Where backups lie."""
        return self._table.directory

    @property
    def seconds_left(self) -> float | None:
        """For how long the schedule has nothing to do; None until the next look at least."""
        return self._schedule.seconds_left if self._served else None

    @property
    def _served(self) -> bool:
        engine = self._bulletin.status.engine
        return engine is not None and engine.active

    def note(self, desired: DesiredState | None) -> None:
        """Take in what the desired state says of backups."""
        self._table = Backup() if desired is None else desired.backup
        self._schedule.note(self._table.schedule)

    def settle(self) -> None:
        """Clear away what a backup left that was cut off; tried again where it cannot be yet."""
        left = self._state.fact(_UNDER_WAY)
        if not left:
            return
        noted: Document = json.loads(left)
        try:
            self._clear_away(noted)
        except DockcfgdError as failure:
            self._log.warning("backup.left", reason=str(failure))
            return
        identity, last = text(noted, "id"), self._bulletin.status.task
        if last is not None and last.transaction == identity and not last.under_way:
            return  # its end was told; only this was left
        self._log.warning("backup.cut_off", backup=identity)
        task = self._begun(identity, "backup", identity)
        self._end(task, Verdict.DEGRADED, "cut off; what there was of it has been removed")

    def serve(self, request: CreateBackup | Restore) -> None:
        """Do it, and tell how it ended."""
        task = self._begun(*_identified(request))
        work = Work(self._effects, self._bulletin, self._attention, task)
        try:
            if isinstance(request, CreateBackup):
                remarks = self._create(request, work)
                verdict = Verdict.APPLIED
            else:
                restored = self._restore(request, work)
                remarks = (*restored.differing, *restored.remarks)
                verdict = Verdict.DEGRADED if restored.differing else Verdict.APPLIED
        except BackupRefused as refusal:
            self._end(work.ended(well=False), Verdict.REFUSED, str(refusal))
        except Interrupted as interrupted:
            self._end(work.ended(well=False), Verdict.DEGRADED, str(interrupted))
        except DockcfgdError as failure:
            begun = len(work.task.steps) > 1
            verdict = Verdict.DEGRADED if begun else Verdict.REFUSED
            self._end(work.ended(well=False), verdict, str(failure))
        else:
            self._end(work.ended(well=True), verdict, "; ".join(remarks) or None)

    def refuse(self, request: CreateBackup | Restore, why: str) -> None:
        """Do nothing, and tell why."""
        task = self._task(*_identified(request))
        what = "make a backup" if isinstance(request, CreateBackup) else f"restore {task.backup}"
        self._end(task, Verdict.REFUSED, f"cannot {what}: {why}")

    def scheduled(self) -> None:
        """Make the backup that is due by schedule, if one is and the engine serves."""
        name = self._schedule.take() if self._served else ""
        if name:
            comment = f"by the schedule {self._table.schedule!r}"
            self.serve(CreateBackup(name, comment=comment, origin=archive.SCHEDULE))
            # By a clock that was set back it is the oldest.
            self._remove_old(archive.SCHEDULE, in_use=(name,))

    def after_migration(self, *, in_use: Sequence[str]) -> None:
        """Remove what is more than `keep` of the backups that migrations made, none `in_use`."""
        self._remove_old(archive.MIGRATION, in_use=in_use)

    def prune(self, request: PruneBackups, *, in_use: Sequence[str]) -> None:
        """Remove backups, and answer with which; none of those `in_use`."""
        known = {backup.id for backup in archive.list_backups(self.directory)}
        unknown = sorted(set(request.backups) - known)
        busy = sorted(set(request.backups) & set(in_use))
        if unknown:
            request.fail(f"cannot remove: there is no backup {', '.join(unknown)}")
            return
        if busy:
            why = "belongs to a change under way, or to what is kept of the storage"
            hint = "see dockcfgctl storage status"
            request.fail(f"cannot remove {', '.join(busy)}: it {why}; {hint}")
            return
        if request.backups:
            archive.remove(self.directory, request.backups)
            removed = tuple(request.backups)
        else:
            keep = self._table.keep if request.keep is None else request.keep
            removed = archive.prune(self.directory, keep=keep, in_use=in_use)
        self._log.info("backups.removed", backups=list(removed))
        self._bulletin.show(backups=self.count())
        request.reply(json.dumps({"schema": 1, "removed": list(removed)}))

    def count(self) -> int:
        """Give how many complete backups there are."""
        return sum(1 for backup in archive.list_backups(self.directory) if backup.complete)

    def _create(self, request: CreateBackup, work: Work) -> tuple[str, ...]:
        folder = str(Path(self.directory) / request.transaction)
        about: Document = {
            "origin": request.origin,
            "actor": request.actor,
            "comment": self._scrubber.text(request.comment),
        }
        table = self._table
        wish = live_backup.Wish(
            names=request.names,
            volumes=table.volumes if request.volumes is None else request.volumes,
            consistency=request.consistency or table.consistency,
            about=about,
        )
        reports = work.reports(note=partial(self._note, request.transaction))
        try:
            return live_backup.make_backup(
                self._effects.access, self._effects.folders, wish, folder=folder, reports=reports
            )
        finally:
            # After a good end nothing is left but the note itself.
            left = self._state.fact(_UNDER_WAY)
            if left:
                self._clear_away(json.loads(left))

    def _restore(self, request: Restore, work: Work) -> restoring.Restored:
        found = [one for one in archive.list_backups(self.directory) if one.id == request.backup]
        if not found:
            known = ", ".join(one.id for one in archive.list_backups(self.directory))
            raise BackupRefused(
                f"cannot restore {request.backup}: {self.directory} has "
                f"{f'only {known}' if known else 'no backup'}"
            )
        if not found[0].complete:
            raise BackupRefused(f"cannot restore {request.backup}: it is not complete")
        return restoring.restore_chosen(
            self._effects.access,
            self._effects.folders,
            request.names,
            folder=found[0].folder,
            reports=work.reports(note=_untold),
        )

    def _note(self, identity: str, held: Sequence[Json]) -> None:
        """Note what would be left if this were cut off: who is held, and how."""
        stubs: list[Json] = [
            {key: text(one, key) for key in ("Id", "Name", "Held")}
            for one in tables({"held": list(held)}, "held")
        ]
        noted: Document = {"id": identity, "directory": self.directory, "held": stubs}
        self._state.remember(_UNDER_WAY, json.dumps(noted))

    def _clear_away(self, noted: Document) -> None:
        access = self._effects.access
        holding.let_go(access, tables(noted, "held"))
        directory, identity = text(noted, "directory"), text(noted, "id")
        known = {one.id: one.complete for one in archive.list_backups(directory)}
        if not known.get(identity, True):
            archive.remove(directory, {identity})
        live_backup.clear_away(access)
        self._state.remember(_UNDER_WAY, "")

    def _remove_old(self, origin: str, *, in_use: Sequence[str] = ()) -> None:
        keep = self._table.keep
        removed = archive.prune(self.directory, keep=keep, in_use=in_use, origins=(origin,))
        if removed:
            self._log.info("backups.removed", backups=list(removed))
            self._bulletin.show(backups=self.count())

    def _task(self, transaction: str, kind: str, backup: str) -> Task:
        return Task(transaction, kind, backup, None, None, self._effects.clock.now(), None)

    def _begun(self, transaction: str, kind: str, backup: str) -> Task:
        task = self._task(transaction, kind, backup)
        self._log.info("task.begins", kind=kind, transaction=transaction, backup=backup)
        self._bulletin.show(task=task)
        return task

    def _end(self, task: Task, verdict: Verdict, reason: str | None) -> None:
        told = reason and self._scrubber.text(reason)
        now = self._effects.clock.now()
        ended = replace(task, verdict=verdict, reason=told, finished=now)
        self._log.info(
            "task.ended", transaction=task.transaction, verdict=str(verdict), reason=told
        )
        self._bulletin.show(task=ended, progress=None, backups=self.count())
        self._finished(task.transaction, str(verdict))


def _identified(request: CreateBackup | Restore) -> tuple[str, str, str]:
    """Give the transaction of a request, its kind and the backup that it is about."""
    if isinstance(request, CreateBackup):
        return request.transaction, "backup", request.transaction
    return request.transaction, "restore", request.backup


def _untold(_held: Sequence[Json]) -> None:
    """Keep nothing: a restore holds nobody."""
