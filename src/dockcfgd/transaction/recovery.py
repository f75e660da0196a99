"""Going back without a journal: files first, then folders, before anything starts the engine.

Whatever is done is looked at first, so it may end at any instant and be done again from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from dockcfgd.glance import AT_WORK
from dockcfgd.migration import folders, renamed_root
from dockcfgd.model.errors import DockcfgdError, FileFailure, StaleFile
from dockcfgd.model.files import ABSENT, Tag
from dockcfgd.model.undo import Note
from dockcfgd.transaction.put_over import put_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.model.deadline import Times
    from dockcfgd.model.files import FileState
    from dockcfgd.model.undo import FileBack, WayBack
    from dockcfgd.ports import Clock
    from dockcfgd.transaction.undo import Undo

__all__ = ["EngineUnit", "Manager", "Replacing", "await_turn", "go_back", "put_back", "recover"]

_DOCKER = "docker.service"
_TURN_SECONDS = 60.0


class EngineUnit(Protocol):
    """What is asked of docker.service."""

    @property
    def main_pid(self) -> int:
        """The engine's process, 0 for none."""

    @property
    def invocation_id(self) -> str:
        """The newest run of the unit."""


class Manager(Protocol):
    """systemd, as far as going back needs it. Raises SystemdFailure."""

    def unit(self, name: str, /) -> EngineUnit:
        """Give a unit's state."""

    def reload_units(self) -> None:
        """Read the unit files again."""


class Replacing(Protocol):
    """ports.Files, as far as going back needs it."""

    def read(self, path: str) -> FileState:
        """Look at a file."""

    def replace(
        self,
        path: str,
        content: bytes,
        *,
        expected: Sequence[Tag],
        fresh: Tag,
        attributes: Mapping[str, bytes] = ...,
        exact: bool = ...,
    ) -> Tag:
        """Put `content` at `path` if what is there has one of the `expected` tags."""

    def remove(self, path: str, *, expected: Sequence[Tag]) -> None:
        """Remove the file if it has one of the `expected` tags."""


def await_turn(undo: Undo, clock: Clock) -> None:
    """Take the way back for this process; FileFailure where another one keeps it for too long."""
    deadline = clock.monotonic() + _TURN_SECONDS
    while not undo.lock():
        if clock.monotonic() >= deadline:
            why = "another dockcfgd or dockcfgd-recover is at work on it"
            raise FileFailure(what="use", path=undo.path, errno=0, why=why)
        clock.sleep(0.1)


def recover(
    undo: Undo, files: Replacing, manager: Manager, *, clock: Times, say: Callable[[str], None]
) -> None:
    """Go back, unless the dockcfgd at work lives or the new state awaits its confirmation.

    The deadline of that is over when dockcfgd says so too, whatever the clock was set to.
    DockcfgdError where something cannot be put back; all else was, and it can be tried again.
    """
    if not undo.lock():
        say(AT_WORK)
        return
    way_back = undo.read()
    if way_back is None:
        undo.clear()
        return
    left = 0.0 if way_back.deadline is None else way_back.deadline.left(clock)
    if left > 0:
        when = datetime.fromtimestamp(clock.now() + left, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        say(f"left change {way_back.transaction} in force: it awaits confirmation until {when}")
        return
    go_back(undo, way_back, files, manager, now=clock.now(), say=say)


def go_back(
    undo: Undo,
    way_back: WayBack,
    files: Replacing,
    manager: Manager,
    *,
    now: float,
    say: Callable[[str], None],
) -> None:
    """Put everything back that can be, leave a note and take the way back out of force."""
    say(f"taking change {way_back.transaction} back: dockcfgd ({way_back.pid}) ended in it")
    failures: list[DockcfgdError] = []
    kept: list[str] = []
    for one in way_back.files:
        try:
            say(put_back(files, one))
        except StaleFile:
            kept.append(one.path)
            say(f"left {one.path} as it is: somebody else has changed it since")
        except DockcfgdError as failure:
            failures.append(failure)
    if way_back.reload_units:
        _try(manager.reload_units, failures)
    unit = manager.unit(_DOCKER)
    if unit.main_pid and (way_back.folders or way_back.roots):
        say("the engine's folders are put back before its next start")
        waits = True
    else:
        waits = False
        for folder in way_back.folders:
            _try(
                lambda one=folder: folders.move_back(one.root, one.driver, one.folder),  # type: ignore[misc]
                failures,
            )
        for root in way_back.roots:
            _try(
                lambda one=root: renamed_root.rename_back(one.source, one.target, one.name),  # type: ignore[misc]
                failures,
            )
    if failures:
        raise failures[0]
    if not waits:
        undo.leave_note(Note(way_back.transaction, now, unit.invocation_id, tuple(kept)))
        undo.clear()
        say(f"change {way_back.transaction} is taken back; dockcfgd finishes the rest")


def put_back(files: Replacing, one: FileBack) -> str:
    """Put a file back, and say how it is then; what somebody else has changed in it stays.

    StaleFile where that cannot be told from what is ours, FileFailure.
    """
    before = one.before
    fresh = ABSENT if before is None else Tag("", before.uid, before.gid, before.mode)
    try:
        if before is None:
            files.remove(one.path, expected=one.known)
            return f"{one.path} is as it was before: not there"
        files.replace(
            one.path,
            before.content,
            expected=one.known,
            fresh=fresh,
            attributes=before.attributes,
            exact=one.exact,
        )
    except StaleFile:
        if not one.ours:
            raise
        goal = None if before is None else before.content
        put_over(files, one.path, ours=one.ours, goal=goal, fresh=fresh)
        return f"{one.path} is as it was before, but for what somebody else has changed since"
    return f"{one.path} is as it was before"


def _try(act: Callable[[], None], failures: list[DockcfgdError]) -> None:
    try:
        act()
    except DockcfgdError as failure:
        failures.append(failure)
