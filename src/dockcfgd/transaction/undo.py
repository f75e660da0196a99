"""The way back of the open transaction as plain files, for who has to go back without a journal.

    STATE/undo/way-back.json     what to put back; in place after all that it refers to
    STATE/undo/0-daemon.json …   the files as they were
    STATE/recovered.json         that somebody went back in dockcfgd's stead
    RUNTIME/start-back.json      that the engine's start on the old state is next, until the reboot

`way-back.json` is there from before the first effect of a transaction until its new state is to
stay, so whoever finds it may go back. The journal is opened before and closed after: between the
two both say the same. The folder is locked by the dockcfgd that lives; a lock, unlike a recorded
process, cannot be another's by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.undo import Note, WayBack

if TYPE_CHECKING:
    from dockcfgd.model.deadline import Deadline

__all__ = ["Undo"]

_LIST = "way-back.json"
_PART = ".part"
_NOT_WHOLE = (ValueError, KeyError, TypeError, AttributeError)


class Undo:
    """The stored way back below a state folder.

    Methods raise FileFailure where the disk is to blame. Nothing is looked at or made before the
    first call. Without `runtime_dir`, a folder in memory, nothing is jotted down.
    """

    def __init__(self, state_dir: str, runtime_dir: str = "") -> None:
        self._folder = Path(state_dir) / "undo"
        self._note = Path(state_dir) / "recovered.json"
        self._jot = Path(runtime_dir) / "start-back.json" if runtime_dir else None
        self._lock: int | None = None

    @property
    def path(self) -> str:
        """The folder."""
        return str(self._folder)

    # -- who is at work ---------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether this process has the lock."""
        return self._lock is not None

    def lock(self) -> bool:
        """Take the folder for this process until `close`; whether it was free or is ours."""
        if self._lock is not None:
            return True
        with _failing("lock", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(opened)
                return False
            except OSError:
                os.close(opened)
                raise
        self._lock = opened
        return True

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- the way back -----------------------------------------------------------------------

    @property
    def stored(self) -> bool:
        """Whether a way back is in force."""
        with _failing("look at", self._folder / _LIST):
            return (self._folder / _LIST).exists()

    @property
    def awaits(self) -> bool:
        """Whether one is in force that is to be gone only from a time on."""
        way_back = self.read()
        return way_back is not None and way_back.deadline is not None

    def store(self, way_back: WayBack) -> None:
        """Put a way back in force, durably; one that was in force before is no more."""
        self.clear()
        names: dict[str, str] = {}
        for number, one in enumerate(way_back.files):
            if one.before is not None:
                names[one.path] = f"{number}-{Path(one.path).name}"
                self._put(self._folder / names[one.path], one.before.content)
        self._put(self._folder / _LIST, _document(way_back.to_json(names)))

    def read(self) -> WayBack | None:
        """Give the way back in force. FileFailure also where it is damaged."""
        where = self._folder / _LIST
        with _failing("read", where):
            try:
                text = where.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
            names = [one for one in self._folder.iterdir() if one.name != _LIST]
            contents = {one.name: one.read_bytes() for one in names if one.is_file()}
        try:
            return WayBack.from_json(json.loads(text), contents)
        except _NOT_WHOLE as error:
            raise FileFailure(what="use", path=str(where), errno=0, why=_why(error)) from error

    def await_confirmation(self, deadline: Deadline | None) -> None:
        """Let the new state stand until then, the way back in force from then on. None: now."""
        way_back = self.read()
        if way_back is None or way_back.deadline == deadline:
            return
        names = {
            one.path: f"{number}-{Path(one.path).name}"
            for number, one in enumerate(way_back.files)
            if one.before is not None
        }
        document = replace(way_back, deadline=deadline).to_json(names)
        self._put(self._folder / _LIST, _document(document))

    def clear(self) -> None:
        """Take the way back out of force, durably, and remove what it refers to."""
        with _failing("make", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take(self._folder / _LIST)
        with _failing("list", self._folder):
            left = sorted(self._folder.iterdir())
        for path in left:
            self._take(path)

    # -- the note ---------------------------------------------------------------------------

    def leave_note(self, note: Note) -> None:
        """Say durably that the way back was gone."""
        self._put(self._note, _document(note.to_json()))

    def note(self, transaction: str) -> Note | None:
        """Give the note about a transaction; None where there is none that can be read."""
        return _note_of(transaction, self._note)

    def jot_start(self, note: Note) -> None:
        """Say in memory that the engine starts on the old state now: where no disk takes it, too.

        A machine that goes down forgets it.
        """
        if self._jot is not None:
            with contextlib.suppress(OSError):
                self._jot.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                part = self._jot.with_name(f".{self._jot.name}{_PART}")
                part.write_bytes(_document(note.to_json()))
                part.replace(self._jot)

    def jotted(self, transaction: str) -> Note | None:
        """Give what was jotted down about a transaction."""
        return None if self._jot is None else _note_of(transaction, self._jot)

    def forget_note(self) -> None:
        """Remove the notes, their transaction being closed."""
        self._take(self._note)
        if self._jot is not None:
            with contextlib.suppress(OSError):
                self._jot.unlink()

    # -- effects, one by one ----------------------------------------------------------------

    def _put(self, path: Path, content: bytes) -> None:
        with _failing("write", path):
            part = path.with_name(path.name + _PART)
            opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(opened, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(opened)
            part.replace(path)
            _sync(path.parent)

    def _take(self, path: Path) -> None:
        with _failing("remove", path):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            _sync(path.parent)


def _note_of(transaction: str, path: Path) -> Note | None:
    with _failing("read", path):
        try:
            note = Note.from_json(json.loads(path.read_bytes()))
        except (FileNotFoundError, *_NOT_WHOLE):
            return None
    return note if note.transaction == transaction else None


def _document(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _why(error: Exception) -> str:
    return f"it is damaged or of another release ({error})"


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _failing(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        why = error.strerror or str(error)
        raise FileFailure(what=what, path=str(path), errno=number, why=why) from error
