"""FILE arguments: TOML files that are looked at as if they lay in conf.d under their names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.api.contract import MAX_FILE_BYTES, complaints
from dockcfgd.cli.errors import UsageError
from dockcfgd.desired.trust import decoded
from dockcfgd.model.errors import FileFailure, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["folder_of", "read_files"]


def read_files(paths: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Give name and text of each. Raises UsageError for bad names, FileFailure on reading."""
    files = tuple((Path(path).name, _text(path)) for path in paths)
    for why in complaints(files):
        raise UsageError(why)
    return files


def folder_of(paths: Sequence[str]) -> str:
    """Give what stands before the names of all paths, empty where they differ in that."""
    folders = {path[: len(path) - len(Path(path).name)] for path in paths}
    return folders.pop() if len(folders) == 1 else ""


def _text(path: str) -> str:
    content = _content(path)
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"cannot take {path}: it has more than {MAX_FILE_BYTES} bytes")
    text = decoded(path, content)
    if isinstance(text, Finding):
        raise UsageError(f"cannot take {text.text()}")
    return text


def _content(path: str) -> bytes:
    try:
        # A FIFO that nobody writes to would never be open.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"cannot take {path}: not a regular file")
            return file.read(MAX_FILE_BYTES + 1)  # one more than allowed is enough to tell
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="read", path=path, errno=error.errno or 0, why=why) from error
