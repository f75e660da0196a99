"""Going back to the state of the storage before its newest change: the target, and the steps.

It is no change to another driver: nothing is copied. What the driver of then had lies there as it
was, and what there is now is moved aside and kept in its turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.drivers import engine_name
from dockcfgd.model.kept import KeptStorage, Ran
from dockcfgd.planning import leaves
from dockcfgd.planning.storage_change import FEATURE, SNAPSHOTTERS
from dockcfgd.planning.target import Applied, daemon_json, generation_target

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import EngineState, HostState
    from dockcfgd.planning.target import Target

__all__ = ["back_to", "barred", "storage_target", "why_not"]

_DRIVER: KeyPath = ("storage-driver",)
_OPTIONS: KeyPath = ("storage-opts",)


def barred(kept: KeptStorage, engine: EngineState | None) -> str:
    """Say why the storage cannot go back to what is kept; empty where it can."""
    driver, root = ("", "") if engine is None else (engine.driver, engine.root)
    return why_not(kept, driver=driver, root=root)


def why_not(kept: KeptStorage, *, driver: str, root: str) -> str:
    """Say what `barred` says, from what the engine shows; nothing where it does not run."""
    if kept.freeing:
        return "it is being freed: some of it is gone"
    if not driver:
        return "the engine is not running, so that what is there now cannot be backed up"
    if driver != kept.successor:
        return f"the engine is on {driver}, and it was kept when {kept.successor} came"
    if root.rstrip("/") != kept.root.rstrip("/"):
        return f"the engine's data-root is {root}, and it lies in {kept.root}"
    return ""


def storage_target(kept: KeptStorage, host: HostState, applied: Applied) -> Target:
    """Give the target that has the driver of then, and all else as it is."""
    document = dict(daemon_json(host))
    leaves.put(document, _DRIVER, engine_name(kept.driver))
    managed = {*applied.managed, _DRIVER}
    if SNAPSHOTTERS & {kept.driver, kept.successor}:
        leaves.put(document, FEATURE, kept.driver in SNAPSHOTTERS)
        managed.add(FEATURE)
    if kept.options is None:
        leaves.remove(document, _OPTIONS)
        managed.discard(_OPTIONS)
    else:
        options: list[Json] = list(kept.options)
        leaves.put(document, _OPTIONS, options)
        managed.add(_OPTIONS)
    wanted = replace(
        applied,
        document=document,
        managed=frozenset(managed),
        daemon_json=leaves.render(document),
        daemon_json_owned=None,
    )
    return generation_target(wanted, host, applied)


def back_to(
    kept: KeptStorage, *, name: str, directory: str, kept_in: str, disposable: bool
) -> tuple[tuple[do.Step, ...], tuple[do.Step, ...], do.StartThen]:
    """Give the steps before the engine stops, those while it is stopped, and the one after."""
    folder = f"{kept.root}/dockcfgd/{name}"
    live: list[do.Step] = [do.BackUpPresent(name, directory)] if directory else []
    # For the way back alone: what is kept of them here is not there on the other driver.
    live += [do.KeepDisposable(f"{kept_in}/{name}")] if disposable else []
    stopped = do.ReturnStorage(
        kept.root, kept.successor, folder, kept.driver, kept.folder, moved=kept.moved
    )
    running = tuple(Ran(one.id, one.name, one.state) for one in kept.running)
    return tuple(live), (stopped,), do.StartThen(running, kept.disposable, folder)
