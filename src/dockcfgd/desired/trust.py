"""Whether a file of the desired state can be read and trusted, and its text."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure, Finding
from dockcfgd.model.files import FileKind, FileState

if TYPE_CHECKING:
    from dockcfgd.ports import Files

__all__ = ["MOST_BYTES", "decoded", "distrusted", "look"]

MOST_BYTES = 1024 * 1024
_OTHERS_MAY_WRITE = 0o022
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HALF_WRITTEN = "it ends in the middle of a character: write it anew, complete"


def look(files: Files, path: str) -> FileState | Finding:
    """Give the file, or why it cannot be had."""
    try:
        return files.read(path, limit=MOST_BYTES)
    except FileFailure as failure:
        if failure.errno != errno.EFBIG:
            return Finding(file=path, message=str(failure))
        return Finding(
            file=path,
            message=f"larger than {MOST_BYTES} bytes",
            hint="is it a desired state at all? move it away",
        )


def distrusted(state: FileState) -> Finding | None:
    """Give why the file is not to be used: it is no regular file, or not root's alone."""
    path = state.path
    if state.kind is FileKind.DANGLING:
        message = "cannot read it: the link leads nowhere, or round in a circle"
        return Finding(file=path, message=message, hint="remove or mend the link")
    if state.kind is not FileKind.REGULAR:
        found = "folder" if state.kind is FileKind.DIRECTORY else "FIFO, a socket or a device"
        message = f"cannot read it: not a regular file but a {found}"
        return Finding(file=path, message=message, hint="put a regular file there")
    if state.tag.uid != 0:
        message = f"owned by uid {state.tag.uid}, not by root"
        return Finding(file=path, message=message, hint=f"chown root {path}")
    if state.tag.mode & _OTHERS_MAY_WRITE:
        message = f"others than root may write it (mode {state.tag.mode:04o})"
        return Finding(file=path, message=message, hint=f"chmod go-w {path}")
    return None


def decoded(path: str, content: bytes) -> str | Finding:
    """Give the text, or why it is none."""
    if content.startswith(_BYTE_ORDER_MARKS):
        hint = "save it as plain UTF-8 without BOM"
        return Finding(file=path, line=1, message="begins with a byte order mark", hint=hint)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        half = error.end == len(content) and error.reason == "unexpected end of data"
        hint = _HALF_WRITTEN if half else "save it as UTF-8"
        return Finding(file=path, line=line, message="not valid UTF-8", hint=hint)
