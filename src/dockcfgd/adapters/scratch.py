"""A folder for copies that another program is to judge; it goes when that is done."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dockcfgd.model.errors import FileFailure

__all__ = ["scratch_folder"]


@contextlib.contextmanager
def scratch_folder(below: str, *, prefix: str) -> Iterator[Path]:
    """Give a new folder in `below`, or where temporary files go if this user may not write there.

    FileFailure where it, or what is written into it meanwhile, has no room.
    """
    folder = below if os.access(below, os.W_OK) else None
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as made:
            yield Path(made)
    except OSError as error:
        path, why = str(error.filename or folder or "a copy"), error.strerror or str(error)
        number = error.errno or 0
        raise FileFailure(what="write", path=path, errno=number, why=why) from error
