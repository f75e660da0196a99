"""What is to be seen at a bad moment of a transaction, kept before anything is undone."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING

from dockcfgd.model.errors import DockcfgdError, StateFileFailure
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.ownership_json import ownership_to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json
    from dockcfgd.model.systemd import JournalLine
    from dockcfgd.transaction.journal import Journal, OpenTransaction

__all__ = ["DEGRADED", "FAILED", "Witness"]

FAILED, DEGRADED = "failed", "degraded"
_LINES = 50
_LONGEST_LINE = 2000
_LARGEST_FILE = 1024 * 1024


class Witness:
    """Keeps the engine's last journal lines and both files with a transaction that fails.

    `scrub` takes secrets out of what the engine said; the files are kept as they are.
    """

    def __init__(
        self, effects: Effects, journal: Journal, *, drop_in: str, scrub: Callable[[str], str]
    ) -> None:
        self._effects, self._journal = effects, journal
        self._drop_in, self._scrub = drop_in, scrub

    def note(self, transaction: OpenTransaction, moment: str) -> None:
        """Keep what is to be seen now. What cannot be seen or kept holds nothing up."""
        paths = dict.fromkeys(
            (str(transaction.commit_action.get("daemon_json", "")), self._drop_in)
        )
        document: dict[str, Json] = {
            "engine": [_line(line, self._scrub) for line in self._lines(transaction.started)],
            "files": [self._file(path) for path in paths if path],
        }
        now = self._effects.clock.now()
        with contextlib.suppress(StateFileFailure):
            self._journal.keep_evidence(transaction.id, moment, document, now=now)

    def discreet(self, text: str) -> str:
        """Give a text as it may be kept with the transaction."""
        return self._scrub(text)

    def _lines(self, since: float) -> tuple[JournalLine, ...]:
        try:
            return self._effects.systemd.lines(DOCKER_SERVICE, since=since, most=_LINES)
        except DockcfgdError:
            return ()

    def _file(self, path: str) -> dict[str, Json]:
        try:
            state = self._effects.files.read(path, limit=_LARGEST_FILE)
        except DockcfgdError as failure:
            return {"path": path, "content": None, "owned": None, "unseen": str(failure)}
        content = base64.b64encode(state.content).decode() if state.present else None
        owned = ownership_to_json(state.ownership)
        return {"path": path, "content": content, "owned": json.loads(owned) if owned else None}


def _line(line: JournalLine, scrub: Callable[[str], str]) -> Json:
    text = scrub(line.text[:_LONGEST_LINE])
    return {"at": line.at, "invocation": line.invocation, "text": text}
