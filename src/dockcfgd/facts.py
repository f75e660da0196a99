"""Looks at the host for what the engine's rules ask, and at nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.engines import removed_storage_drivers, storage_drivers
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.facts import Facts
from dockcfgd.plugins import plugins_of

if TYPE_CHECKING:
    from dockcfgd.model.facts import Questions
    from dockcfgd.ports import Files, Surroundings

__all__ = ["facts_of", "prior_drivers"]


def facts_of(port: Surroundings, files: Files, asked: Questions, *, root: str) -> Facts:
    """Give the answers; `root` is where the engine keeps its data, within data-root."""
    return Facts(
        folders={path: port.folder(path) for path in asked.folders},
        files={path: _text(files, path) for path in asked.files},
        programs={name: port.program(name) for name in asked.programs},
        devices={device: port.opens(device) for device in asked.devices},
        accounts={one: port.has_account(*one) for one in asked.accounts},
        filesystems=port.filesystems() if asked.filesystems else None,
        routes=port.routes() if asked.routes else None,
        plugins=plugins_of(files, root) if asked.plugins else None,
        prior_drivers=prior_drivers(files, root),
    )


def prior_drivers(files: Files, root: str) -> tuple[str, ...]:
    """Give the drivers whose folder in the data-root holds something.

    The engine counts all but vfs.
    """
    known = {*storage_drivers(None), *removed_storage_drivers(None)} - {"vfs"}
    try:
        there = [name for name in files.names(root) if name in known]
        return tuple(name for name in there if files.names(f"{root}/{name}"))
    except FileFailure:
        return ()


def _text(files: Files, path: str) -> str | None:
    try:
        seen = files.read(path)
    except FileFailure:
        return None
    return seen.content.decode(errors="replace") if seen.present else None
