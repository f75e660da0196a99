"""Lives of dockcfgd on one simulated host: each ends, in order or at a cut, and the host stays."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.effects import Effects
from dockcfgd.model.errors import StateFileFailure
from dockcfgd.model.kept import KeptStorage
from dockcfgd.model.status import Condition, Phase, Status
from dockcfgd.reconcile.kept_storage import KeptRecord
from dockcfgd.reconcile.reconciler import Reconciler
from dockcfgd.reconcile.requests import (
    Apply,
    Request,
    Rollback,
    Stop,
    StoragePrune,
    StorageRollback,
)
from dockcfgd.settings import Settings
from dockcfgd.state_file import StateFile
from dockcfgd.transaction.journal import Journal
from dockcfgd.transaction.recovery import recover
from dockcfgd.transaction.undo import Undo
from tests.fakes.cuts import Crash
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from tests.fakes.cuts import Cuts

__all__ = ["CONF", "DAEMON_JSON", "DROP_IN", "Files", "Lives"]

CONF = "/etc/dockcfgd/conf.toml"
DAEMON_JSON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"


class _CutStateFile(StateFile):
    """A state file whose every commit is a place to crash at, or fails."""

    def __init__(self, path: str, cuts: Cuts, *, full: Callable[[], bool]) -> None:
        super().__init__(path)
        self._cuts, self._full = cuts, full

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        if self._full():
            raise StateFileFailure(f"cannot use {self.path}: database or disk is full")
        self._cuts.at("before: state file")
        with super().write() as connection:
            yield connection
        self._cuts.at("after: state file")


@dataclass(frozen=True)
class Files:
    """The two managed files, None where there is none."""

    daemon_json: bytes | None
    drop_in: bytes | None

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.daemon_json or b"{}")
        return document


class _CutUndo(Undo):
    """A way back on disk whose every write is a place to crash at."""

    def __init__(self, state_dir: str, cuts: Cuts, *, runtime_dir: str = "") -> None:
        super().__init__(state_dir, runtime_dir)
        self._cuts = cuts

    def _put(self, path: Path, content: bytes) -> None:
        self._cuts.at(f"before: undo writes {path.name}")
        super()._put(path, content)
        self._cuts.at(f"after: undo writes {path.name}")

    def _take(self, path: Path) -> None:
        self._cuts.at(f"before: undo removes {path.name}")
        super()._take(path)
        self._cuts.at(f"after: undo removes {path.name}")


class Lives:
    """dockcfgd on a host, one life after the other.

    `live` is a whole life: recovery, a look, the requests given, the end; it gives the last status,
    or None where the life ended at a cut. One with `until` goes on until it rests in that
    condition. `told` are all statuses of all lives, `ended` what `finished` told, `answers` what
    words were answered with; `heard` is given each status as it is told. After `writes_left`
    commits the state file's disk is full. `reconciler` is the one of the newest life.
    dockcfgd-recover comes before every start of the engine; `recovered` is what it said.
    """

    def __init__(self, folder: Path, host: FakeHost) -> None:
        self.host = host
        self.settings = Settings(state_dir=str(folder / "state"))
        self.backups = str(folder / "backups")
        self._folder, self._run = folder, folder / "run"
        self.told: list[Status] = []
        self.ended: list[tuple[str, str]] = []
        self.answers: list[str] = []
        self.writes_left: int | None = None
        self.recovered: list[str] = []
        self.heard: Callable[[Status], None] = lambda _: None
        self._number = 0
        host.systemd.before_start = self._recover

    def want(self, text: str, *, path: str = CONF) -> None:
        """Drop a desired state."""
        backup = f'[backup]\ndirectory = "{self.backups}"\n'
        self.host.files.put(path, f"schema = 1\n{text}\n{backup}")

    def live(
        self,
        *requests: Request,
        until: Condition | None = None,
        word: Callable[[Callable[[str], None]], Request] | None = None,
    ) -> Status | None:
        state = _CutStateFile(self.settings.state_file, self.host.cuts, full=self._full)
        runtime_dir = f"{self._run}/{self.host.clock.boot()}"  # in memory: gone with a boot
        undo = _CutUndo(self.settings.state_dir, self.host.cuts, runtime_dir=runtime_dir)
        reconciler = Reconciler(
            self.effects(),
            state,
            self.settings,
            undo=undo,
            first=Status(version="test", pid=1, since=0.0),
            publish=lambda status: self._published(reconciler, status, until),
            finished=lambda *end: self._finished(reconciler, end, requests),
        )
        self.reconciler = reconciler

        def answered(why: str) -> None:
            self.answers.append(why)
            reconciler.enqueue(Stop())

        for request in requests or (() if until or word else (Stop(),)):
            reconciler.enqueue(request)
        if word is not None:
            reconciler.enqueue(word(answered))
        try:
            reconciler.run()
        except Crash:
            return None
        finally:
            state.close()
            undo.close()
        return reconciler.snapshot()

    def look(self) -> Status:
        """Live without a cut."""
        status = self.live()
        assert status is not None
        return status

    def later(self, seconds: float = 31.0) -> Status:
        """Look again in a while."""
        self.host.clock.advance(seconds)
        return self.look()

    def apply(self, *files: tuple[str, str], confirm: float | None = None) -> Status:
        """Live with `apply`."""
        self._number += 1
        name = f"apply-{self._number}"
        status = self.live(Apply(transaction=name, files=files, confirm=confirm))
        assert status is not None
        return status

    def say(self, word: Callable[[Callable[[str], None]], Request]) -> str:
        """Live with an operator's word; give what it is answered with."""
        assert self.live(word=word) is not None
        return self.answers[-1]

    def roll_back(self, generation: int | None = None) -> Status:
        """Live with `rollback`."""
        self._number += 1
        status = self.live(Rollback(transaction=f"rollback-{self._number}", generation=generation))
        assert status is not None
        return status

    def storage_back(self, *, back_up: bool = True) -> Status | None:
        """Live with `storage rollback`."""
        self._number += 1
        return self.live(StorageRollback(f"storage-{self._number}", back_up=back_up))

    def storage_prune(self) -> Status | None:
        """Live with `storage prune`."""
        self._number += 1
        return self.live(StoragePrune(f"prune-{self._number}"))

    @property
    def kept(self) -> KeptStorage | None:
        """What the record says is kept of the storage."""
        state = StateFile(self.settings.state_file)
        try:
            return KeptRecord(state).kept
        finally:
            state.close()

    def keep(self, kept: KeptStorage) -> None:
        """Make the record say that something is kept."""
        state = StateFile(self.settings.state_file)
        try:
            KeptRecord(state).put(kept)
        finally:
            state.close()

    @property
    def files(self) -> Files:
        """What lies on the host now."""
        there = self.host.files.snapshot()
        return Files(*(self._anywhere(there.get(path)) for path in (DAEMON_JSON, DROP_IN)))

    @property
    def document(self) -> dict[str, Any]:
        """What daemon.json says, with the folders of this very test."""
        content = self.host.files.snapshot().get(DAEMON_JSON)
        return Files(content, None).document

    def _anywhere(self, content: bytes | None) -> bytes | None:
        """Give a content as it would be in another folder of a test's own."""
        return content and content.replace(str(self._folder).encode(), b"/folder")

    @property
    def open_transaction(self) -> bool:
        """Whether the journal has one that has not ended."""
        state = StateFile(self.settings.state_file)
        try:
            return Journal(state).unfinished() is not None
        finally:
            state.close()

    def _recover(self) -> None:
        """Do what dockcfgd-recover.service does, under its condition."""
        folder = Path(self.settings.undo_dir)
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        undo = _CutUndo(self.settings.state_dir, self.host.cuts)
        files, systemd, clock = self.host.files, self.host.systemd, self.host.clock
        try:
            recover(undo, files, systemd, clock=clock, say=self.recovered.append)
        finally:
            undo.close()

    def _published(self, reconciler: Reconciler, status: Status, until: Condition | None) -> None:
        self.told.append(status)
        self.heard(status)
        if status.condition is until and status.phase is Phase.IDLE:
            reconciler.enqueue(Stop())

    def _finished(
        self, reconciler: Reconciler, end: tuple[str, str], requests: tuple[Request, ...]
    ) -> None:
        self.ended.append(end)
        if end[0] in {getattr(request, "transaction", "") for request in requests}:
            reconciler.enqueue(Stop())

    def _full(self) -> bool:
        if self.writes_left is not None:
            self.writes_left -= 1
        return self.writes_left is not None and self.writes_left < 0

    def effects(self) -> Effects:
        return self.host.effects
