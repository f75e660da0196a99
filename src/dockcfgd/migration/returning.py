"""Going back to what a storage driver had before a change: what is done beside moving folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration import archive, disposable, live_backup
from dockcfgd.migration.documents import text
from dockcfgd.migration.inventory import container_name, inspected
from dockcfgd.migration.kept_images import drop_kept_names
from dockcfgd.migration.presence import start_again
from dockcfgd.model.errors import EngineFailure, StepFailed
from dockcfgd.model.policy import Consistency

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json
    from dockcfgd.model.kept import Ran
    from dockcfgd.ports import FolderArchives, Progressing

__all__ = ["back_up_present", "forget_half_a_backup", "start_then"]

_COMMENT = "what there was before the storage went back to its state before a change"


def back_up_present(
    access: Access, folders: FolderArchives, *, folder: str, progress: Progressing
) -> None:
    """Back up images, containers, networks and what volumes there are into `folder`.

    The volumes' content is not read, as they stay, so that nobody is held. Doing it again begins
    anew. FileFailure with ENOSPC where it would not fit.
    """
    forget_half_a_backup(access, folder=folder)
    if Path(folder, archive.MANIFEST).exists():
        return
    wish = live_backup.Wish(
        volumes=False,
        consistency=Consistency.NONE,
        about={"origin": archive.MIGRATION, "actor": "", "comment": _COMMENT},
    )
    reports = live_backup.Reports(step=_untold, progress=progress, note=_unheld)
    live_backup.make_backup(access, folders, wish, folder=folder, reports=reports)


def forget_half_a_backup(access: Access, *, folder: str) -> None:
    """Remove a backup that did not end, and the images that it made of containers."""
    where = Path(folder)
    archive.remove_incomplete(str(where.parent), where.name)
    live_backup.clear_away(access)


def start_then(
    access: Access,
    *,
    running: Sequence[Ran],
    disposable_in: str,
    remade: Collection[str],
) -> list[Json]:
    """Start what ran then; give those that run, as `note_running` does.

    StepFailed where one does not start; those `remade` and those of `disposable_in` may have lost
    what they need, and are left out then.
    """
    states = {one.id: one.state for one in running}
    documents = list(inspected(access))
    wanted = [one for one in documents if text(one, "Id") in states]
    refused = start_again(access.containers, wanted, states)
    lost = [container_name(one) for one in wanted if text(one, "Id") in refused - set(remade)]
    if lost:
        raise StepFailed(f"containers that ran then do not start: {', '.join(lost)}")
    if disposable_in:
        _bring_back(access, folder=disposable_in)
    disposable.drop_holders(access)
    drop_kept_names(access.images)
    return [
        {"id": text(one, "Id"), "name": container_name(one), "state": states[text(one, "Id")],
         "auto_remove": False}
        for one in wanted
        if text(one, "Id") not in refused
    ]  # fmt: skip


def _bring_back(access: Access, *, folder: str) -> None:
    disposable.begin_anew(folder)
    try:
        disposable.bring_back(access, folder=folder, api=access.facts().api)
    except EngineFailure as failure:
        if failure.status == 0:
            raise


def _untold(_step: str) -> None:
    """Be one step of a change."""


def _unheld(_held: Sequence[Json]) -> None:
    """Hold nobody."""
