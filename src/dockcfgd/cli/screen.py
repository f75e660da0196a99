"""The terminal, pipe or file that a verb talks to."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see published.py
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["Screen"]

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1"}


class Screen:
    """Where a verb prints and asks. A reader that goes away early is no error."""

    def __init__(
        self, *, stdin: TextIO, stdout: TextIO, stderr: TextIO, environment: Mapping[str, str]
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._environment = environment
        self._broken = False
        self._silent = False
        self._gathered: list[str] | None = None
        self.failed = False

    @classmethod
    def of_process(cls) -> Screen:
        """Give the process's own; what its locale cannot write comes out escaped."""
        # A descriptor that was closed by who started us is no stream at all.
        sys.stdin = sys.stdin or _nowhere("r")
        sys.stdout = sys.stdout or _nowhere("w")
        sys.stderr = sys.stderr or _nowhere("w")
        ascii_only = _ascii_only(os.environ)
        for stream in (sys.stdout, sys.stderr):
            if ascii_only:
                stream.reconfigure(encoding="ascii", errors="backslashreplace")  # type: ignore[union-attr]
            else:
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        return cls(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr, environment=os.environ)

    @property
    def terminal(self) -> bool:
        """Whether a person sees the output as it comes."""
        return self._stdout.isatty()

    @property
    def draws_lines(self) -> bool:
        """Whether the characters that boxes are drawn with come out as such."""
        return (self._stdout.encoding or "").lower().replace("-", "") == "utf8"

    @property
    def width(self) -> int:
        """Columns to fill."""
        return min(self._size()[0], 120)

    @property
    def height(self) -> int:
        """Lines to fill, the next prompt's apart; of a small terminal some are out of sight."""
        return max(self._size()[1], 24) - 1

    def _size(self) -> tuple[int, int]:
        if not self.terminal:
            return 80, 24
        try:
            size = os.get_terminal_size(self._stdout.fileno())
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24  # serial consoles say 0

    def out(self, text: str) -> None:
        """Print lines of the answer; `failed` where they could not be written."""
        if self._broken or self._silent:
            return
        line = text if text.endswith("\n") else text + "\n"
        if self._gathered is not None:
            self._gathered.append(line)
            return
        self._write(line)

    def _write(self, text: str) -> None:
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except BrokenPipeError:
            self._broken = True
            _discard(self._stdout)
        except OSError as error:
            self._broken = self.failed = True
            _discard(self._stdout)
            self.note(f"dockcfgctl: cannot write the answer: {error.strerror}")

    def note(self, text: str) -> None:
        """Print what is not part of the answer: errors, progress, advice."""
        try:
            self._stderr.write(text if text.endswith("\n") else text + "\n")
            self._stderr.flush()
        except OSError:
            _discard(self._stderr)

    def silence(self) -> None:
        """Print no answer from now on, and no progress; notes still come."""
        self._silent = True

    @property
    def deaf(self) -> bool:
        """Whether nobody reads the answer any more."""
        return self._broken

    def redraw(self, text: str) -> None:
        """Show an answer in the place of what the terminal showed; what has no room is left out."""
        room = max(self._size()[1] - 1, 1)
        lines = "\n".join(f"{line}\033[K" for line in text.splitlines()[:room])
        self.out(f"\033[H{lines}\033[J")

    def gather(self) -> None:
        """Keep the answer until `show_gathered`, where a pager may be of use."""
        if self.terminal and not self._silent:
            self._gathered = []

    def show_gathered(self) -> None:
        """Print what was kept; a pager shows what is longer than the terminal."""
        kept, self._gathered = self._gathered, None
        text = "".join(kept or ())
        if text.count("\n") >= self._size()[1]:
            from dockcfgd.cli.pager import show  # noqa: PLC0415 -- for a person's eyes only

            encoding = self._stdout.encoding or "ascii"
            if show(text.encode(encoding, "backslashreplace"), environment=self._environment):
                return
        if self._broken:
            return
        # What argparse prints goes past `out` and may still be under way.
        self._write(text)

    def transient(self, text: str) -> None:
        """Show a line that the next one replaces, where a person looks on; empty wipes it."""
        if self._stderr.isatty() and not self._silent:
            self._stderr.write(f"\r\033[K{text[: self.width - 1]}")
            self._stderr.flush()

    def coloured(self, text: str, colour: str) -> str:
        """Give the text in a colour, or as it is where colours are not wanted."""
        wanted = self.terminal and not self._environment.get("NO_COLOR")
        if not wanted or self._environment.get("TERM", "dumb") == "dumb" or colour not in _COLOURS:
            return text
        return f"\033[{_COLOURS[colour]}m{text}\033[0m"

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer."""
        return self._stdin.isatty()

    def agrees(self, question: str) -> bool:
        """Ask; anything but yes is no."""
        self._stderr.write(f"{question} [y/N] ")
        self._stderr.flush()
        return self._stdin.readline().strip().lower() in {"y", "yes"}


def _ascii_only(environment: Mapping[str, str]) -> bool:
    """Whether the locale is C, for which Python takes UTF-8, but a terminal need not.

    Python itself sets LC_CTYPE to C.UTF-8 when it starts in such a locale (PEP 538).
    """
    none = {"", "C", "POSIX"}
    given = environment.get("LC_ALL", "")
    if given:
        return given in none
    ctype = environment.get("LC_CTYPE", "")
    return ctype in none | {"C.UTF-8"} and environment.get("LANG", "") in none


def _nowhere(mode: str) -> TextIO:
    return open(os.devnull, mode)  # type: ignore[return-value]  # noqa: PTH123 -- a closed descriptor's stand-in


def _discard(stream: TextIO) -> None:
    # What is still buffered would raise again when the process ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
