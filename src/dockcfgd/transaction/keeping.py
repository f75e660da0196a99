"""When the way back is in force as plain files, beside the journal."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.errors import DockcfgdError, FileFailure
from dockcfgd.model.files import ABSENT, digest_of
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.model.undo import Note
from dockcfgd.planning.over_edit import theirs_in
from dockcfgd.planning.undo import altered, contents_of, paths_of, undo_of
from dockcfgd.transaction.put_over import Edited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.files import FileState
    from dockcfgd.transaction.journal import OpenTransaction
    from dockcfgd.transaction.undo import Undo

__all__ = ["Keeping"]

_FILE = do.WriteFile | do.RemoveFile
_UP = frozenset({"active", "activating", "reloading"})


class Keeping:
    """Keeps the plain files of a transaction's way back as its journal goes on."""

    def __init__(self, undo: Undo, effects: Effects) -> None:
        self._undo, self._effects = undo, effects

    def begin(self, transaction: OpenTransaction) -> None:
        """Put the way back in force before the first effect. DockcfgdError where that fails."""
        files = self._effects.files
        undo = undo_of(
            transaction.way_back,
            transaction=transaction.id,
            pid=os.getpid(),
            attributes={path: files.attributes(path) for path in paths_of(transaction.way_back)},
        )
        if undo is not None:
            self._undo.store(undo)

    def begin_back(self, transaction: OpenTransaction) -> None:
        """See that it is in force, whatever was to be awaited, as it is about to be gone.

        It has to be gone also where that cannot be written.
        """
        with contextlib.suppress(DockcfgdError):
            if self._undo.stored:
                self._undo.await_confirmation(None)
            else:
                self.begin(transaction)

    def end_back(self) -> None:
        """Take it out of force, the host being there; one that stays leads nowhere else."""
        with contextlib.suppress(DockcfgdError):
            self._undo.clear()

    def begin_start(self, transaction: OpenTransaction) -> None:
        """Note that the engine starts on the old state now."""
        with contextlib.suppress(DockcfgdError):
            unit = self._effects.systemd.unit(DOCKER_SERVICE)
            now = self._effects.clock.now()
            self._undo.jot_start(Note(transaction.id, now, unit.invocation_id))

    def gone_already(self, transaction: OpenTransaction) -> bool:
        """Whether dockcfgd-recover has put the files and folders back meanwhile."""
        return self._undo.note(transaction.id) is not None

    def went_back(self, transaction: OpenTransaction) -> bool:
        """Whether a proven change was taken back without the journal's knowing.

        By dockcfgd-recover, or by a dockcfgd whose state file could not be written. FileFailure
        where that cannot be seen.
        """
        if self.gone_already(transaction) or self._waits_no_more(transaction):
            return True
        # Where nothing of it could be written down, the files tell: all, for one of them somebody
        # may have put back by hand.
        before = altered(transaction.steps, transaction.way_back)
        as_before = [self._content(path) == content for path, content in before.items()]
        return bool(as_before) and all(as_before)

    def edited(self, done: Sequence[do.Step], planned_on: Sequence[FileState]) -> str:
        """Give a file that is not as these steps have left it, or as their plan found it.

        Empty where none is seen.
        """
        left = {state.path: state.tag.digest for state in planned_on}
        for path, content in contents_of(done).items():
            left[path] = ABSENT.digest if content is None else digest_of(content)
        with contextlib.suppress(FileFailure):
            for path, digest in left.items():
                if self._effects.files.read(path).tag.digest != digest:
                    return path
        return ""

    def theirs(self, done: Sequence[do.Step]) -> tuple[Edited, ...]:
        """Give what somebody has set otherwise since in the files that these steps put back.

        Nothing of one that cannot be read, or is no JSON object.
        """
        told = [step for step in done if isinstance(step, _FILE) and step.ours]
        with contextlib.suppress(FileFailure, ValueError, RecursionError):
            return tuple(
                Edited(path, theirs_in(self._content(path), goal))
                for path, goal in contents_of(told).items()
            )
        return ()

    def _waits_no_more(self, transaction: OpenTransaction) -> bool:
        if transaction.deadline is None or not paths_of(transaction.way_back):
            return False
        try:
            return not self._undo.awaits
        except FileFailure:
            return True  # damaged; gone once more the way back surely ends on the old state

    def _content(self, path: str) -> bytes | None:
        state = self._effects.files.read(path)
        return state.content if state.present else None

    def spared(self, transaction: OpenTransaction) -> tuple[type[do.Step], ...]:
        """Give the steps that need not be: an engine that began after the files were back stays.

        A further stop would end `--rm` containers that were brought back already.
        """
        note = self._undo.note(transaction.id) or self._undo.jotted(transaction.id)
        if note is None:
            return ()
        unit = self._effects.systemd.unit(DOCKER_SERVICE)
        began_since = unit.invocation_id not in {"", note.invocation}
        if began_since and unit.active_state in _UP:
            return (do.KeepDisposable, do.StopEngine, do.RestartEngine)
        return ()
