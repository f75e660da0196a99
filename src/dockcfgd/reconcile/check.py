"""A ring of checks as the plan document names it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """A ring of checks, whether it was run, and why not."""

    name: str
    run: bool
    reason: str = ""
