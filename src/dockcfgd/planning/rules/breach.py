"""What a rule finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted

if TYPE_CHECKING:
    from dockcfgd.model.desired import KeyPath

__all__ = ["Breach", "Weight", "misleads", "note", "refuse"]


class Weight(StrEnum):
    """What comes of it.

    The engine does not start; it starts and does not do what was meant, without a word; or it works
    and somebody should know something.
    """

    STOPS = "stops"
    MISLEADS = "misleads"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that the configuration breaks.

    `path` starts below `[engine]`; `also` are further keys of daemon.json that it hangs on.
    """

    path: KeyPath
    message: str
    hint: str
    also: frozenset[str]
    weight: Weight

    @property
    def keys(self) -> frozenset[str]:
        """The keys of daemon.json whose change can bring it about."""
        return self.also | {self.path[0]}

    def text(self) -> str:
        """Give it as one line."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{dotted(('engine', *self.path))}: {self.message}{hint}"


def refuse(path: KeyPath | str, why: str, hint: str = "", *, also: tuple[str, ...] = ()) -> Breach:
    """Give a breach that the engine does not start with."""
    whole = (path,) if isinstance(path, str) else path
    return Breach(whole, why, hint, frozenset(also), Weight.STOPS)


def misleads(
    path: KeyPath | str, why: str, hint: str = "", *, also: tuple[str, ...] = ()
) -> Breach:
    """Give a breach that shows only when a container or a network is wanted, or never."""
    whole = (path,) if isinstance(path, str) else path
    return Breach(whole, why, hint, frozenset(also), Weight.MISLEADS)


def note(path: KeyPath | str, what: str, hint: str = "", *, also: tuple[str, ...] = ()) -> Breach:
    """Give a breach that the engine works with."""
    whole = (path,) if isinstance(path, str) else path
    return Breach(whole, what, hint, frozenset(also), Weight.NOTED)
