"""How much a change disturbs the host."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Impact"]


class Impact(IntEnum):
    """The heaviest action that a change needs; greater is heavier."""

    NONE = 0
    RELOAD = 1
    RESTART = 2
    MIGRATE = 3

    @property
    def word(self) -> str:
        """The word that files and reports use."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Impact:
        """Give the impact that `word` names; ValueError where there is none."""
        for impact in cls:
            if impact.word == word:
                return impact
        raise ValueError(
            f"cannot read {word!r} as an impact: it is none of none, reload, restart, migrate"
        )
