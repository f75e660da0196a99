"""What the kernel refuses, told as FileFailure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["file_failures"]


@contextmanager
def file_failures(what: str, path: str | Path) -> Iterator[None]:
    """Raise an OSError of the block as FileFailure: what was done, to which path, and why not."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what=what, path=str(path), errno=error.errno or 0, why=why) from error
