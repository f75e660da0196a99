"""Versions of the engine, and when two of them differ."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["EngineVersion", "Window"]

_LEADING = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class EngineVersion:
    """A release of the engine; ordered. Distribution suffixes such as `+dfsg1` do not count."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> EngineVersion:
        """Read `20.10.24+dfsg1`, `29.7.2`, `28.0`; ValueError for what does not start so."""
        match = _LEADING.match(text)
        if match is None:
            raise ValueError(f"cannot read {text!r} as an engine version")
        major, minor, patch = match.groups(default="0")
        return cls(int(major), int(minor), int(patch))

    @classmethod
    def parse_or_none(cls, text: str) -> EngineVersion | None:
        """Read a version where the text may be empty or a development build; None for those."""
        return cls.parse(text) if _LEADING.match(text) else None

    @property
    def short(self) -> str:
        """The version as release notes name it: `28.0` for the first of a series."""
        return str(self) if self.patch else f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class Window:
    """The versions from `since` on (included) to `before` (excluded); None is no bound."""

    since: EngineVersion | None = None
    before: EngineVersion | None = None

    @property
    def bounded(self) -> bool:
        """Whether any version lies outside."""
        return self.since is not None or self.before is not None

    def holds(self, version: EngineVersion) -> bool:
        """Tell whether `version` lies inside."""
        late_enough = self.since is None or version >= self.since
        return late_enough and (self.before is None or version < self.before)
