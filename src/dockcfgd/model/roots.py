"""Where an engine keeps its data, and what was seen of a place that it is to be moved to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LeftBehind", "RootMove", "RootSurvey"]


@dataclass(frozen=True, slots=True)
class RootMove:
    """A data-root that is to be moved. `name` is the transaction's: what is made bears it.

    `shift` tells which users of the host containers' users are, before and after: first of them,
    first of them then, how many; the same of groups. None: they stay who they are.
    """

    source: str
    target: str
    name: str
    shift: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RootSurvey:
    """What a look at both places gave. `source` and `target` hold no symbolic links.

    `renamable`: both lie on one filesystem, so that the folder can be given the other name.
    `holds` are a few names of what is in the target; empty folders and lost+found do not count.
    `copied_from` is the data-root that it is a copy of, which no engine has used. `stamp` tells
    whether anything was made in the target's own folder since another look. `mounts` are those in
    the source that no engine made, `linked` the volumes whose options name a folder of the source,
    `binding` the containers that have a folder of it by its path, `limited`: a folder with a
    project quota, `nested`: what cannot be copied file by file. `free_inodes` None: no limit.
    `outside` are the containers that the engine would not start with users of their own, and why,
    `bound` folders of the host that containers mount, `plugins`: whether any is installed,
    `closed` a folder above the data-root that others than root and its group may not go through.
    """

    source: str
    target: str
    renamable: bool = False
    there: bool = False
    holds: tuple[str, ...] = ()
    copied_from: str = ""
    stamp: str = ""
    blocked_by: str = ""
    filesystem: str = ""
    options: tuple[str, ...] = ()
    source_options: tuple[str, ...] = ()
    free_bytes: int = 0
    free_inodes: int | None = None
    mounts: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    binding: tuple[str, ...] = ()
    limited: str = ""
    nested: str = ""
    outside: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    plugins: bool = False
    closed: str = ""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A data-root that was moved from, and that is kept. `stamp`: see RootSurvey.

    `freeing`: it is being removed, and may be half of what it was.
    """

    path: str
    moved_to: str
    transaction: str
    at: float
    stamp: str
    freeing: bool = False
