"""Removing what a container wrote, however deep and whatever protects it."""

from __future__ import annotations

import os
import stat

from dockcfgd.layers.attributes import unprotect
from dockcfgd.layers.folder import Cursor, Spot, status_or_none

__all__ = ["clear", "remove"]


def remove(spot: Spot) -> None:
    """Remove what is at a spot, a folder with all that is in it; nothing there is fine."""
    status = status_or_none(spot)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        with Cursor(spot.path) as inside:
            clear(inside)
        _forced(spot, folder=True)
    else:
        _forced(spot, folder=False)


def clear(cursor: Cursor) -> None:
    """Remove all that is in the cursor's folder; the cursor is there again afterwards."""
    left = [_remove_files(cursor)]
    while True:
        if left[-1]:
            cursor.down(left[-1].pop())
            left.append(_remove_files(cursor))
            continue
        left.pop()
        if not left:
            return
        name = cursor.up()
        os.rmdir(name, dir_fd=cursor.folder)


def _remove_files(cursor: Cursor) -> list[bytes]:
    """Remove what is no folder; give the folders."""
    unprotect(Spot(cursor.folder, b"."))
    folders = []
    for name in cursor.names():
        spot = Spot(cursor.folder, name)
        if stat.S_ISDIR(spot.status().st_mode):
            folders.append(name)
        else:
            _forced(spot, folder=False)
    return folders


def _forced(spot: Spot, *, folder: bool) -> None:
    call = os.rmdir if folder else os.unlink
    try:
        call(spot.name, dir_fd=spot.folder)
    except PermissionError:
        if not unprotect(spot) and not unprotect(Spot(spot.folder, b".")):
            raise
        call(spot.name, dir_fd=spot.folder)
