"""Files of a state file: a new one put in place as a whole, a damaged one set aside.

At every instant one of both has the name, so that a crash in between never looks like a host that
dockcfgd sees for the first time.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["put_in_place", "set_aside", "unfinished"]

_PARTS = ("", "-wal", "-shm")
_KEPT = 5


def unfinished(file: Path) -> bool:
    """Tell whether a file's log is there without it."""
    return _beside(file, "-wal").exists()


@contextmanager
def put_in_place(file: Path) -> Iterator[Path]:
    """Give the path of a new file; it gets the name of `file`, durably, when it is made."""
    made = _beside(file, ".new")
    for part in (*_PARTS, "-journal"):
        _beside(made, part).unlink(missing_ok=True)
    os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    yield made
    _sync(made)
    made.replace(file)
    _sync(file.parent)


def set_aside(file: Path, *, make: Callable[[str], None]) -> str:
    """Give a damaged file another name beside its own, which `make` gives to a new one.

    Gives that name.
    """
    aside = _free_name(file)
    for part in _PARTS:
        with suppress(FileNotFoundError):
            os.link(_beside(file, part), _beside(aside, part))
    _sync(file.parent)
    # The new file must never be read with the old one's log.
    for part in _PARTS[1:]:
        _beside(file, part).unlink(missing_ok=True)
    _sync(file.parent)
    make(str(aside))
    _prune(file)
    return str(aside)


def _free_name(file: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f".damaged-{stamp}{suffix}" for suffix in ("", *(f".{n}" for n in range(1, 1000))))
    paths = (_beside(file, name) for name in names)
    return next(path for path in paths if not any(_beside(path, part).exists() for part in _PARTS))


def _prune(file: Path) -> None:
    """Keep the newest of those set aside: a failing disk makes one after the other."""
    prefix = f"{file.name}.damaged-"
    found = [path for path in file.parent.iterdir() if path.name.startswith(prefix)]
    names = {path.name.removesuffix("-wal").removesuffix("-shm") for path in found}
    kept = set(sorted(names)[-_KEPT:])
    for path in found:
        if path.name.removesuffix("-wal").removesuffix("-shm") not in kept:
            path.unlink()


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
