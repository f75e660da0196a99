"""Freeing what is kept of the storage: at an operator's word, or as the desired state says.

That is what a storage driver had, and data-roots that were moved from; these at a word only.

For the reconciler's thread. From the first moment on the record says that it is being freed, so
that nothing goes back to half of it, and that it goes on after a crash.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.log import get_logger
from dockcfgd.migration import folders
from dockcfgd.migration.left_behind import left_behind
from dockcfgd.migration.storage_left import is_mark, left_overs
from dockcfgd.model.amounts import size, some
from dockcfgd.model.drivers import engine_name
from dockcfgd.model.errors import BackupRefused, DockcfgdError, EngineFailure, StorageRefused
from dockcfgd.model.host import driver_of, on_containerd_store
from dockcfgd.model.status import Task, Verdict
from dockcfgd.reconcile.left_roots import LeftRoots
from dockcfgd.reconcile.working import Work
from dockcfgd.transaction.executor import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dockcfgd.effects import Effects
    from dockcfgd.model.kept import Freed, KeptStorage
    from dockcfgd.model.roots import LeftBehind
    from dockcfgd.reconcile.attention import Heedful
    from dockcfgd.reconcile.bulletin import Bulletin
    from dockcfgd.reconcile.kept_storage import KeptRecord
    from dockcfgd.reconcile.requests import StoragePrune

__all__ = ["FreeingStorage"]

_KIND = "storage prune"
# What drivers have that lies in no folder of data-root.
_OUTSIDE = {
    "devicemapper": "what devicemapper has in a pool that dm.thinpooldev named stays: dmsetup ls",
    "zfs": "the datasets that zfs made of layers stay: zfs list, and zfs destroy",
}


class FreeingStorage:
    """Frees it, once at a time. `finished` is told once of each request's end.

    `left` is the folder that says which data-roots were left.
    """

    def __init__(
        self,
        effects: Effects,
        record: KeptRecord,
        left: str,
        *,
        bulletin: Bulletin,
        attention: Heedful,
        finished: Callable[[str, str], None],
    ) -> None:
        self._effects, self._record, self._left = effects, record, left
        self._bulletin, self._attention, self._finished = bulletin, attention, finished
        self._rests = False
        self._log = get_logger()

    def settle(self) -> None:
        """Go on with what was begun, or is to be freed as it is not to be kept.

        After a failure, or an operator's cancel, it waits for the next word or start of dockcfgd,
        during a pause for its end.
        """
        kept = self._record.kept
        begun = [one for one in left_behind(self._left) if one.freeing]
        due = bool(begun) if kept is None else kept.freeing
        if not due or self._rests or self._bulletin.paused or not self._served():
            return
        self._run(secrets.token_hex(8), kept, begun)

    def _served(self) -> bool:
        try:
            self._effects.engine.ping()
        except EngineFailure:
            return False
        return True

    def serve(self, request: StoragePrune) -> None:
        """Free all that is kept, and tell how that ended."""
        self._run(request.transaction, self._record.kept, left_behind(self._left))

    def refuse(self, request: StoragePrune, why: str) -> None:
        """Free nothing, and tell why."""
        task = self._task(request.transaction, "")
        self._end(task, Verdict.REFUSED, f"cannot free anything: {why}")

    def _task(self, transaction: str, driver: str) -> Task:
        return Task(transaction, _KIND, driver, None, None, self._effects.clock.now(), None)

    def _run(self, transaction: str, kept: KeptStorage | None, left: Iterable[LeftBehind]) -> None:
        driver = "" if kept is None else kept.driver
        task = self._task(transaction, driver)
        self._log.info("task.begins", kind=_KIND, transaction=transaction, driver=driver)
        self._bulletin.show(task=task)
        work = Work(self._effects, self._bulletin, self._attention, task)
        self._rests = True
        try:
            places = LeftRoots(self._effects.roots, self._left, left)
            said, well = self._free(work, kept, places)
        except (StorageRefused, BackupRefused) as refusal:
            self._end(work.ended(well=False), Verdict.REFUSED, str(refusal))
        except Interrupted as interrupted:
            why = f"{interrupted}; what is left goes with the next dockcfgctl storage prune"
            self._end(work.ended(well=False), Verdict.DEGRADED, why)
        except DockcfgdError as failure:
            self._end(work.ended(well=False), Verdict.DEGRADED, str(failure))
        else:
            self._rests = not well
            self._end(work.ended(well=well), Verdict.APPLIED if well else Verdict.DEGRADED, said)

    def _free(self, work: Work, kept: KeptStorage | None, places: LeftRoots) -> tuple[str, bool]:
        work.step("look at what is kept")
        root, driver = self._in_use()
        others = left_overs(root)
        of_drivers = kept is not None or not all(map(is_mark, others))
        if not of_drivers and not places:
            raise StorageRefused("cannot free anything: nothing is kept of the storage")
        if kept is not None:
            self._refuse_in_use(kept, root=root, driver=driver)
        places.sort_out(root)
        if not of_drivers and not places:
            raise StorageRefused(f"cannot free anything: {'; '.join(places.stays)}")
        # First: what a driver has may lie in one of them, and freeing that changes its stamp.
        places.begin()
        done = list[str]()
        if kept is not None or others:
            freed = self._free_driver(work, kept, others)
            if freed.left:
                return f"not all of it could be deleted: {'; '.join(freed.left)}", False
            done += [_told(freed)] if of_drivers else []
            drivers = set[str]() if kept is None else _drivers_of(kept)
            done += [_OUTSIDE[one] for one in sorted(_OUTSIDE.keys() & drivers)]
        if places:
            places.remove(work, used=self._in_use()[0])
        if places.failed:
            why = "; ".join([*places.failed, *places.stays])
            return f"not all of it could be deleted: {why}", False
        return "; ".join([*done, *places.done, *places.stays]), True

    def _free_driver(self, work: Work, kept: KeptStorage | None, others: list[str]) -> Freed:
        if kept is not None:
            self._record.put(replace(kept, freeing=True))
            work.step("take it out of the engine's folders")
            self._move_away(kept)
            others = left_overs(kept.root)
            for snapshotter in sorted(SNAPSHOTTERS & _drivers_of(kept)):
                work.step("take it out of containerd")
                self._clear_store(snapshotter)
        work.step("delete it")
        freed = self._effects.freeing.free(others, progress=work.progress)
        if kept is not None and not freed.left:
            self._record.drop()
        return freed

    def _in_use(self) -> tuple[str, str]:
        """Give the engine's data-root and driver. EngineFailure where it does not answer."""
        info = self._effects.engine.info()
        root, driver = str(info.get("DockerRootDir") or ""), driver_of(info)
        if not root or not driver:
            raise StorageRefused("cannot free anything: the engine does not say what it uses")
        return root, driver

    def _clear_store(self, snapshotter: str) -> None:
        """Clear containerd's store, which all snapshotters share and no data-root has."""
        if on_containerd_store(self._effects.engine.info()):
            raise StorageRefused(
                "cannot free what is kept in containerd's image store: the engine is on that store"
            )
        self._effects.freeing.clear_store(snapshotter)

    @staticmethod
    def _refuse_in_use(kept: KeptStorage, *, root: str, driver: str) -> None:
        # What belongs to a driver is also known by what the engine calls it.
        named = {engine_name(one) for one in _drivers_of(kept)}
        if engine_name(driver) in named and root.rstrip("/") == kept.root.rstrip("/"):
            raise StorageRefused(f"cannot free what {driver} has in {root}: the engine is on it")

    @staticmethod
    def _move_away(kept: KeptStorage) -> None:
        if not kept.moved:
            folders.give_up(kept.root, kept.driver, kept.folder)
        for one in kept.superseded:
            folders.give_up(one.root, one.driver, kept.folder)
        # Of what lies in the folder nothing is put back any more.
        folders.forbid_return(kept.folder)

    def _end(self, task: Task, verdict: Verdict, reason: str | None) -> None:
        ended = replace(task, verdict=verdict, reason=reason, finished=self._effects.clock.now())
        self._log.info(
            "task.ended", transaction=task.transaction, verdict=str(verdict), reason=reason
        )
        self._bulletin.show(task=ended, progress=None)
        self._finished(task.transaction, str(verdict))


def _drivers_of(kept: KeptStorage) -> set[str]:
    return {kept.driver, *(one.driver for one in kept.superseded)}


def _told(freed: Freed) -> str:
    parts = [f"{size(freed.bytes)} freed"]
    if freed.subvolumes:
        parts.append(f"and {some(freed.subvolumes, 'subvolume')} of btrfs, in the background")
    return " ".join(parts)
