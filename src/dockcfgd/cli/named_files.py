"""FILE arguments: TOML files that are looked at as if they lay in conf.d under their names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.api.contract import MAX_FILE_BYTES, complaints
from dockcfgd.cli.errors import UsageError
from dockcfgd.model.errors import FileFailure

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
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)  # one more than allowed is enough to tell
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="read", path=path, errno=error.errno or 0, why=why) from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"cannot take {path}: it has more than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from error
