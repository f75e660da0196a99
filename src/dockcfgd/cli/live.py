"""The line below the told ones: what is being done now, how far it is, how long it will take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.measures import amount, span, speed
from dockcfgd.cli.text import clock_time, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.cli.screen import Screen

__all__ = ["Bar", "Live"]

_BAR = 24
_SOON = 2.0
"""Before this many seconds of work neither speed nor time left is guessed."""


class Bar:
    """How far a long step is, from one piece of news to the next."""

    def __init__(self, *, blocks: tuple[str, str] = ("#", "-")) -> None:
        self._blocks = blocks
        self._step: object = None
        self._begun = (0.0, 0.0)

    def line(self, progress: Mapping[str, Any], *, now: float, width: int) -> str:
        """Give the line; what has no room is left out, the time left last."""
        done, total = float(progress.get("done") or 0), float(progress.get("total") or 0)
        step = (progress.get("step"), progress.get("unit"))
        if step != self._step or done < self._begun[1]:
            self._step, self._begun = step, (now, done)
        share = min(done / total, 1.0) if total else 0.0
        filled = int(share * _BAR)
        bar = f"[{self._blocks[0] * filled}{self._blocks[1] * (_BAR - filled)}]"
        percent = f"{int(share * 100):3} %"
        unit = plain(progress.get("unit") or "")
        rate = self._rate(done, now)
        left = f"{span((total - done) / rate)} left" if rate and done < total else ""
        fast = speed(rate) if rate and unit == "bytes" else ""
        name = plain(progress.get("step") or "")
        much = amount(done, total, unit)
        item = plain(progress.get("item") or "")
        for pieces in (
            (name, bar, percent, left, much, fast, item),
            (name, bar, percent, left, much, fast),
            (name, bar, percent, left, much),
            (bar, percent, left, much),
            (bar, percent, left),
            (percent, left),
        ):
            line = "  ".join(piece for piece in pieces if piece)
            if len(line) < width:
                return line
        return percent

    def _rate(self, done: float, now: float) -> float:
        """Give how much is done in a second; 0 where that is not known yet."""
        since, first = self._begun
        elapsed = now - since
        return (done - first) / elapsed if elapsed >= _SOON else 0.0


class Live:
    """Keeps that line on a terminal; without a screen, or where nobody looks on, shows nothing."""

    def __init__(
        self,
        screen: Screen | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._screen = screen
        self._monotonic, self._clock = monotonic, clock
        self._bar = Bar(blocks=("█", "░") if screen and screen.draws_lines else ("#", "-"))
        self._step: tuple[object, str] | None = None
        self._since = 0.0
        self._progress: Mapping[str, Any] | None = None
        self._deadline: float | None = None

    def clear(self) -> None:
        """Wipe it: something is to be told in its place."""
        if self._screen is not None:
            self._screen.transient("")

    def progress(self, progress: Mapping[str, Any]) -> None:
        """Take in how far the step under way is."""
        self._progress = progress
        self.draw()

    def see(self, document: Mapping[str, Any], part: str) -> None:
        """Take in a status document: the step under way, and what a word is awaited until."""
        steps = (document.get(part) or {}).get("steps") or []
        running = steps[-1] if steps and steps[-1].get("state") == "running" else None
        step = None if running is None else (len(steps), plain(running.get("name") or ""))
        if step != self._step:
            self._step, self._since = step, self._monotonic()
        self._progress = document.get("progress") or None
        self._deadline = (document.get("confirm") or {}).get("deadline")
        self.draw()

    def draw(self) -> None:
        """Show it as of now."""
        if self._screen is not None:
            self._screen.transient(self._line(self._screen.width))

    def _line(self, width: int) -> str:
        if self._deadline is not None:
            left, until = span(self._deadline - self._clock()), clock_time(self._deadline)[11:]
            long = f"goes back in {left} (at {until}) unless: dockcfgctl confirm"
            return long if len(long) < width else f"goes back in {left}"
        if self._progress is not None:
            return self._bar.line(self._progress, now=self._monotonic(), width=width)
        if self._step is not None:
            elapsed = self._monotonic() - self._since
            return f"{'running':<8}{elapsed:6.0f} s  {self._step[1]}"
        return ""
