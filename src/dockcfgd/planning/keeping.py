"""What a change of the storage leaves behind, to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.host import EngineState
from dockcfgd.model.kept import KeptStorage
from dockcfgd.planning.target import UnreadableFile, daemon_json

if TYPE_CHECKING:
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan

__all__ = ["kept_by"]


def kept_by(plan: Plan, host: HostState, *, keep: bool) -> KeptStorage | None:
    """Give what `plan` will have left behind of the storage; None where it leaves nothing.

    Which generation that was, since when it is so and what ran then is not known yet. With `keep`
    false it is to be freed.
    """
    engine = host.engine
    if not isinstance(engine, EngineState):
        return None
    for step in plan.steps:
        if isinstance(step, do.SetAside | do.ReturnStorage):
            back = isinstance(step, do.ReturnStorage)
            successor = step.previous if isinstance(step, do.ReturnStorage) else step.driver
            backup, directory = _backup(plan)
            return KeptStorage(
                driver=engine.driver,
                successor=successor,
                root=step.root,
                folder=step.folder,
                transaction=plan.name,
                moved=back,
                backup=backup,
                directory=directory,
                options=_options(host),
                disposable=_disposable(plan),
                freeing=not keep,
            )
    return None


def _backup(plan: Plan) -> tuple[str, str]:
    for step in plan.steps:
        if isinstance(step, do.BackUpImages | do.BackUpPresent):
            return step.backup, step.directory
    return "", ""


def _disposable(plan: Plan) -> str:
    folders = [step.folder for step in plan.steps if isinstance(step, do.KeepDisposable)]
    return folders[0] if folders else ""


def _options(host: HostState) -> tuple[str, ...] | None:
    try:
        given = daemon_json(host).get("storage-opts")
    except UnreadableFile:
        return None
    return tuple(map(str, given)) if isinstance(given, list) else None
