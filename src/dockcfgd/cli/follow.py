"""Following a transaction to its end, by the daemon's signals and, beside them, the status file."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published
from dockcfgd.cli.text import plain, step_line, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockcfgd.api.wire import Signals
    from dockcfgd.cli.live import Live
    from dockcfgd.cli.screen import Screen

__all__ = ["AWAITING", "EXIT_INTERRUPTED", "PROGRESS", "Outcome", "follow", "report"]

EXIT_INTERRUPTED = 130
_LOOK = 1.0
_PATIENCE = 30.0
"""How long a dead daemon may take to come back: systemd restarts it after a second."""

_UNTOLD = {
    "lost": "dockcfgd was restarted before it began; nothing was changed. Give the command again",
    "stopped": "dockcfgd stopped while the change was under way; see journalctl -u dockcfgd",
}
AWAITING = "awaiting-confirmation"
_EXIT = {
    "applied": 0,
    AWAITING: 0,
    "pending": published.EXIT_NOT_YET,
    "stopped": published.EXIT_STOPPED,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended; beside verdicts there are `pending` (held), `lost` and `stopped`."""

    transaction: str
    verdict: str
    last: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that says so."""
        return _EXIT.get(self.verdict, published.EXIT_FAILED)

    def document(self) -> dict[str, Any]:
        """Give the outcome as `apply --json` prints it."""
        return {
            "schema": 1,
            "transaction": self.transaction,
            "verdict": self.verdict,
            "generation": self.last.get("generation"),
            "impact": self.last.get("impact", "none"),
            "reason": self.reason,
            "steps": self.last.get("steps") or [],
            "irreversible": self.last.get("irreversible") or [],
        }


def follow(
    transaction: str,
    *,
    part: str = "last",
    signals: Signals,
    read_status: Callable[[], dict[str, Any] | None],
    tell: Callable[[str], None],
    live: Live,
    beyond: Outcome | None = None,
) -> Outcome:
    """Wait for the end, telling each step once when it is done.

    `signals` were subscribed to before the transaction was asked for; `read_status` gives the
    published document, whose `part` tells of it. Awaiting confirmation is an end too, unless
    `beyond` is the outcome that said so: then it is what comes after.
    """
    following = _Following(transaction, part=part, tell=tell, beyond=beyond)
    begun_by = _pid(read_status())
    gone_since: float | None = None
    while True:
        signal = signals.next(timeout=_LOOK)
        if signal is not None and signal.member == "Progress":
            live.progress(dict(zip(PROGRESS, signal.arguments, strict=True)))
            continue
        if signal is not None and signal.member == "TransactionFinished":
            if signal.arguments[0] == transaction and following.is_end(signal.arguments[1]):
                live.clear()
                following.see(read_status())
                return following.outcome(str(signal.arguments[1]))
            continue
        told = signal is not None and signal.member == "StatusChanged"
        document = json.loads(signal.arguments[0]) if signal and told else read_status()
        live.clear()
        if following.see(document):
            return following.outcome()
        if document is not None and published.alive(document):
            gone_since = None
            if _pid(document) != begun_by and _settled(document) and not following.awaits(document):
                return following.outcome("lost")
            live.see(document, part)
            continue
        gone_since = time.monotonic() if gone_since is None else gone_since
        if time.monotonic() - gone_since > _PATIENCE:
            return following.outcome("stopped")


PROGRESS = ("step", "item", "done", "total", "unit")


class _Following:
    """What was seen of one transaction so far."""

    def __init__(
        self,
        transaction: str,
        *,
        part: str,
        tell: Callable[[str], None],
        beyond: Outcome | None,
    ) -> None:
        self._transaction = transaction
        self._part = part
        self._tell = tell
        self._beyond = beyond is not None
        self._told = 0 if beyond is None else len(_ended(beyond.last))
        self._last: dict[str, Any] = {}
        self._reason: str | None = None
        self._unproven = False

    def is_end(self, verdict: object) -> bool:
        """Whether a verdict is one that is waited for."""
        return not (self._beyond and verdict == AWAITING)

    def awaits(self, document: dict[str, Any]) -> bool:
        """Whether this transaction awaits its word, and that is no end."""
        last = document.get(self._part) or {}
        ours = last.get("transaction") == self._transaction
        return self._beyond and ours and document.get("phase") == AWAITING

    def see(self, document: dict[str, Any] | None) -> bool:
        """Take in a status document; whether it holds the verdict."""
        last = (document or {}).get(self._part)
        if not document or not last:
            return False
        if last.get("transaction") != self._transaction:
            self._reason = document.get("reason")
            return False
        self._last = last
        stopped = not (document.get("engine") or {}).get("active")
        self._unproven = document.get("condition") == "pending" and stopped
        self._reason = last.get("reason") or document.get("reason")
        ended = _ended(last)
        for step in ended[self._told :]:
            self._tell(step_line(step))
        self._told = max(self._told, len(ended))
        # Idle too: whoever asks for the status next must not find a change under way.
        if document.get("phase") == AWAITING:
            return not self._beyond
        return last.get("verdict") is not None and document.get("phase") in published.AT_REST

    def outcome(self, verdict: str = "") -> Outcome:
        """Give the end as seen, or under `verdict` where the status does not have it."""
        word = str(self._last.get("verdict") or verdict or AWAITING)
        if word == "applied" and self._unproven:
            word = "pending"  # written, and proven when somebody starts the engine
        # Of what is in force the transaction alone says why; the condition may be an older one.
        told = self._last.get("reason") if word == "applied" else self._reason
        reason = _UNTOLD.get(word) or told
        return Outcome(self._transaction, word, self._last, reason)


def _ended(last: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in last.get("steps") or () if step.get("state") != "running"]


def report(outcome: Outcome, screen: Screen) -> None:
    """Print how it ended."""
    reason = f": {plain(outcome.reason)}" if outcome.reason else ""
    done = f"applied, generation {outcome.last.get('generation')} is in force{reason}"
    words = {
        "applied": done if outcome.last else "applied: there was nothing to do",
        "rolled-back": f"rolled back, the previous state is in force again{reason}",
        "refused": f"refused, nothing was touched{reason}",
        "pending": f"accepted, but held{reason}",
        AWAITING: "proven, and awaiting confirmation: dockcfgctl confirm keeps it",
    }
    colour = {"applied": "green", "pending": "yellow", AWAITING: "yellow"}.get(
        outcome.verdict, "red"
    )
    first, colon, rest = words.get(outcome.verdict, f"{outcome.verdict}{reason}").partition(":")
    screen.out(screen.coloured(first, colour) + colon + rest)
    if outcome.verdict == "applied" and outcome.last.get("impact") == "migrate":
        for line in _not_as_before(outcome.last.get("irreversible") or [], screen.width):
            screen.out(line)


def _not_as_before(sentences: list[str], width: int) -> Iterator[str]:
    """Give what the plan said is not the same afterwards, which a migration may be asked about."""
    if sentences:
        yield "Cannot be undone:"
    for sentence in sentences:
        yield from wrapped(f"  {plain(sentence)}", width=width, indent=4)


def _pid(document: dict[str, Any] | None) -> object:
    daemon = (document or {}).get("daemon")
    return daemon.get("pid") if isinstance(daemon, dict) else None


def _settled(document: dict[str, Any]) -> bool:
    return document.get("phase") in published.AT_REST and bool(
        (document.get("desired") or {}).get("folders")
    )
