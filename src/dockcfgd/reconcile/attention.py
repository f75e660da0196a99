"""What may end a transaction before it is proven: an operator's word, or newer files."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.reconcile.commit import Commit
from dockcfgd.transaction.executor import Cause, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from dockcfgd.reconcile.requests import Cancel
    from dockcfgd.transaction.journal import OpenTransaction

__all__ = ["Heedful"]

_ENGINE_TOUCHED = (do.ReloadEngine, do.RestartEngine, do.StopEngine, do.BackUpContainers)
_CONTAINERS_STOP = (do.StopEngine, do.BackUpContainers)
_TOO_LATE = (
    "the containers were stopped for the change of the storage already, and going on is the"
    " shortest way to have them back; it can be taken back when it has ended:"
    " dockcfgctl storage rollback"
)


class Heedful:
    """Notes from any thread, heeded by the reconciler's (transaction.executor.Attention).

    `on_disk` gives the digest of the desired state that lies on disk, None for a refused one.
    """

    def __init__(self, on_disk: Callable[[], str | None]) -> None:
        self._on_disk = on_disk
        self._cancels: list[Cancel] = []
        self._news = self._stop = False
        self._watched: tuple[int, OpenTransaction, int] | None = None

    def note_cancel(self, wish: Cancel) -> None:
        """Note that an operator wants what is under way cancelled."""
        self._cancels.append(wish)

    def note_news(self) -> None:
        """Note that files may have changed."""
        self._news = True

    def note_stop(self) -> None:
        """Note that dockcfgd is to end."""
        self._stop = True

    @property
    def stopping(self) -> bool:
        """Whether dockcfgd is to end."""
        return self._stop

    def withdraw(self, wish: Cancel) -> bool:
        """Forget a wish; False where it was heeded already."""
        # Two that ask for the same are equal, and each has somebody who waits for its answer.
        for at, one in enumerate(self._cancels):
            if one is wish:
                del self._cancels[at]  # in place: another thread may be adding one
                return True
        return False

    def before_step(self, transaction: OpenTransaction, index: int) -> None:
        """Heed what was noted, before a step."""
        self._heed_cancel(transaction, index)
        if not any(isinstance(step, _ENGINE_TOUCHED) for step in transaction.steps[:index]):
            if self._stop:
                # Quickly done; later on, going on is the shortest way to a proven state.
                raise Interrupted(Cause.SURROUNDINGS, "dockcfgd was told to end")
            self._heed_news(transaction)

    def in_wait(self, transaction: OpenTransaction, index: int) -> None:
        """Heed what was noted, while a proof is awaited: the newest desired state wins."""
        self._heed_cancel(transaction, index)
        self._heed_news(transaction)

    @contextmanager
    def watching(self, transaction: OpenTransaction, index: int) -> Iterator[None]:
        """Let `look_up` heed what is noted while the step `index` is being done."""
        self._watched = (threading.get_ident(), transaction, index)
        try:
            yield
        finally:
            self._watched = None

    def look_up(self) -> None:
        """Heed what was noted, in the middle of a step; called often, and from any thread.

        Interrupted ends the step, at most once: what clears up after it must not be ended too.
        """
        watched = self._watched
        if watched is None or watched[0] != threading.get_ident():
            return
        _, transaction, index = watched
        try:
            self._heed_in_step(transaction, index)
        except Interrupted:
            self._watched = None
            raise

    def in_task(self, identity: str) -> None:
        """Heed what was noted, in work that changes no setting: Interrupted ends it."""
        if self._stop:
            raise Interrupted(Cause.STOPPED, "dockcfgd was told to end")
        wishes = self._take_cancels(identity)
        if wishes:
            self._cancelled(wishes)

    def _heed_in_step(self, transaction: OpenTransaction, index: int) -> None:
        self._heed_cancel(transaction, index)
        if any(isinstance(step, _ENGINE_TOUCHED) for step in transaction.steps[: index + 1]):
            return
        if self._stop:
            raise Interrupted(Cause.SURROUNDINGS, "dockcfgd was told to end")
        self._heed_news(transaction)

    def _heed_cancel(self, transaction: OpenTransaction, index: int) -> None:
        wishes = self._take_cancels(transaction.id)
        if not wishes:
            return
        if _containers_stopped(transaction, index):
            for wish in wishes:
                wish.answer(_TOO_LATE)
            return
        self._cancelled(wishes)

    def _take_cancels(self, identity: str) -> list[Cancel]:
        """Take those that are about this; each is answered once."""
        wishes = [wish for wish in self._cancels if wish.transaction in {"", identity}]
        for wish in wishes:
            self.withdraw(wish)
        return wishes

    @staticmethod
    def _cancelled(wishes: Sequence[Cancel]) -> NoReturn:
        for wish in wishes:
            wish.answer("")
        raise Interrupted(Cause.CANCELLED, f"cancelled by {wishes[0].actor}")

    def _heed_news(self, transaction: OpenTransaction) -> None:
        if not self._news:
            return
        self._news = False
        commit, digest = Commit.from_json(transaction.commit_action), self._on_disk()
        if digest is not None and not commit.held and digest != commit.on_disk:
            raise Interrupted(Cause.SUPERSEDED, "a newer desired state came meanwhile")


def _containers_stopped(transaction: OpenTransaction, index: int) -> bool:
    """Whether step `index` of a change of the storage, or one before it, stops all containers."""
    stored = any(isinstance(step, do.MOVES_CONTAINERS) for step in transaction.steps)
    begun = transaction.steps[: index + 1]
    return stored and any(isinstance(step, _CONTAINERS_STOP) for step in begun)
