"""What is tried on the host itself, before a change and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["CommandEnd", "Endpoint", "PublishedPort", "shown"]

Endpoint: TypeAlias = tuple[str, int]  # an address without brackets, and a TCP port


_LONGEST_SHOWN = 120


def shown(command: str) -> str:
    """Give a command as one line tells of it: cut, and without line ends."""
    line = " ".join(command.split())
    return f"`{line}`" if len(line) <= _LONGEST_SHOWN else f"`{line[:_LONGEST_SHOWN]} …`"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A TCP port of a container and where the engine publishes it.

    `place` is as a person writes it, `8080` or `192.0.2.1:8080`; `endpoints` are where to try it,
    one that answers is enough.
    """

    container: str
    port: int
    place: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended.

    `why` is empty where it exited 0, else in words: `exited 1`, `did not end within 90 s`.
    `not_run`: there was nothing to run. `line` is the last that it wrote.
    """

    why: str = ""
    line: str = ""
    not_run: bool = False

    @property
    def good(self) -> bool:
        """Whether it exited 0."""
        return not self.why

    @property
    def text(self) -> str:
        """What to tell of a failure."""
        return f"{self.why}: {self.line}" if self.line else self.why
