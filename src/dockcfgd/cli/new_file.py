"""Write a file that a person asked for: all of it or nothing, over another only on their word."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from dockcfgd.model.errors import FileFailure

__all__ = ["write_new"]


def write_new(path: str, text: str, *, mode: int, force: bool) -> None:
    """Put `text` at `path`, `mode` less what the umask takes, synced.

    Something that is there is refused, with `force` replaced; a link is followed then, as far as it
    leads anywhere. FileFailure where it cannot be written.
    """
    # Not by resolve(), which takes a link that leads round for a mistake of ours.
    target = Path(os.path.realpath(path) if force else path)
    try:
        if force and target.exists() and not target.is_file():
            raise FileFailure(what="write", path=path, errno=0, why="it is no regular file")
        opened, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        made = Path(name)
        try:
            _fill(opened, text, mode=mode)
            if force:
                made.replace(target)
            else:
                target.hardlink_to(made)
        finally:
            made.unlink(missing_ok=True)
        _sync(str(target.parent))
    except FileExistsError:
        why = "it is there already; --force replaces it"
        raise FileFailure(what="write", path=path, errno=errno.EEXIST, why=why) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="write", path=path, errno=error.errno or 0, why=why) from error


def _fill(opened: int, text: str, *, mode: int) -> None:
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(opened, mode & ~mask)
        os.fsync(opened)


def _sync(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
