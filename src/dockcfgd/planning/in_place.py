"""Whether containers can be moved to another storage driver in place, and the steps of it.

In place a container keeps its ID, its files and its log; else it is made anew through the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.host import remaps_users
from dockcfgd.planning import leaves
from dockcfgd.planning.launch import running_flags
from dockcfgd.planning.storage_change import SNAPSHOTTERS, UNTRIED_FROM

if TYPE_CHECKING:
    from dockcfgd.model.host import EngineState, HostState
    from dockcfgd.planning.target import Target

__all__ = ["RUN_ON", "moved", "not_in_place", "run_on_by_flag"]

RUN_ON = "live-restore is set by a flag, so that containers would run on"

# What lies on disk is the same in all of them; tried on 20.10.24, 26.1.5, 28.5.2 and on the source
# of 29.8 (moby b985e2313a86).
_FIRST = EngineVersion(20, 10)
_DRIVERS = frozenset({"overlay2", "vfs", "btrfs", "fuse-overlayfs"}) | SNAPSHOTTERS


def not_in_place(target: Target, host: HostState, engine: EngineState, driver: str) -> str:
    """Say why containers cannot be moved in place; empty where they can."""
    version = EngineVersion.parse_or_none(engine.version)
    if version is None or not _FIRST <= version < UNTRIED_FROM:
        return f"what engine {engine.version} has on disk is not known"
    for name in (engine.driver, driver):
        if name not in _DRIVERS:
            return f"the containers of {name} can only be made anew"
    if remaps_users(engine.info):
        return "userns-remap is in force"
    if run_on_by_flag(host, engine):
        return RUN_ON
    root = leaves.get(target.document or {}, ("data-root",))
    if isinstance(root, str) and root.rstrip("/") != engine.root.rstrip("/"):
        return "data-root is not the one in use"
    return engine.unmovable or ""


def run_on_by_flag(host: HostState, engine: EngineState) -> bool:
    """Tell whether containers outlive the engine because of a flag, which no reload takes back."""
    by_flag = any(flag.key == "live-restore" for flag in running_flags(host))
    return bool(engine.live_restore and engine.running and by_flag)


def moved(
    engine: EngineState, *, backup: str, directory: str, driver: str, staging: str, folder: str
) -> tuple[do.Step, ...]:
    """Give the steps that are done while the engine is stopped."""
    return (
        do.CarryLayers(backup, directory, engine.root, engine.driver, driver, staging),
        do.SetAside(engine.root, driver, folder),
        do.PutInPlace(engine.root, driver, folder, staging),
    )
