"""What ends a verb early."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """The command line cannot be meant; `str()` says why. Ends in exit code 2."""
