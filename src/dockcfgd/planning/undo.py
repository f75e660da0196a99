"""What of a way back can be done while the engine is down: files and folders.

It is where the whole way back ends, not its steps: a reload or bridge on the way needs an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockcfgd.model import steps as do
from dockcfgd.model.files import Tag
from dockcfgd.model.plan import BackStep
from dockcfgd.model.undo import Before, FileBack, FolderBack, RootBack, WayBack

__all__ = ["altered", "contents_of", "paths_of", "undo_of"]


def undo_of(
    way_back: Sequence[BackStep],
    *,
    transaction: str,
    pid: int,
    attributes: Mapping[str, Mapping[str, bytes]],
) -> WayBack | None:
    """Give the files and folders that `way_back` puts back; None where it puts back none.

    `attributes` are the extended attributes of the files as they are, by path.
    """
    steps = [back.step for back in way_back]
    files = tuple(_file_back(path, steps, attributes.get(path, {})) for path in paths_of(way_back))
    folders = tuple(
        FolderBack(step.root, step.driver, step.folder)
        for step in steps
        if isinstance(step, do.PutBack)
    )
    roots = tuple(
        RootBack(step.source, step.target, step.name)
        for step in steps
        if isinstance(step, do.RenameRootBack)
    )
    if not files and not folders and not roots:
        return None
    return WayBack(
        transaction=transaction,
        pid=pid,
        files=files,
        folders=folders,
        reload_units=any(isinstance(step, do.ReloadUnits) for step in steps),
        roots=roots,
    )


def paths_of(way_back: Sequence[BackStep]) -> tuple[str, ...]:
    """Give the paths of the files that a way back puts back."""
    steps = [back.step for back in way_back]
    files = [step for step in steps if isinstance(step, do.WriteFile | do.RemoveFile)]
    return tuple(dict.fromkeys(step.path for step in files))


def altered(steps: Sequence[do.Step], way_back: Sequence[BackStep]) -> dict[str, bytes | None]:
    """Give what was in the files that a whole change leaves otherwise, by path; None: not there."""
    before, after = contents_of([back.step for back in way_back]), contents_of(steps)
    return {
        path: content
        for path, content in before.items()
        if path in after and after[path] != content
    }


def contents_of(steps: Sequence[do.Step]) -> dict[str, bytes | None]:
    """Give what steps leave in the files that they write or remove."""
    return {
        step.path: step.content if isinstance(step, do.WriteFile) else None
        for step in steps
        if isinstance(step, do.WriteFile | do.RemoveFile)
    }


def _file_back(path: str, steps: Sequence[do.Step], attributes: Mapping[str, bytes]) -> FileBack:
    mine = [
        step
        for step in steps
        if isinstance(step, do.WriteFile | do.RemoveFile) and step.path == path
    ]
    known: list[Tag] = [tag for step in mine for tag in step.expected]
    last = mine[-1]
    before = (
        Before(last.content, last.uid, last.gid, last.mode, dict(attributes))
        if isinstance(last, do.WriteFile)
        else None
    )
    exact = isinstance(last, do.WriteFile) and last.exact
    ours = tuple(dict.fromkeys(content for step in mine for content in step.ours))
    return FileBack(path, before, tuple(dict.fromkeys(known)), exact, ours)
