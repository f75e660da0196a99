"""Whether a target brings the engine another storage, and which one.

A storage is a graph driver of the engine's own, or containerd's image store with one of its
snapshotters; two keys choose it, `storage-driver` and `features.containerd-snapshotter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.drivers import SNAPSHOTTERS, of_containerd
from dockcfgd.model.host import EngineState, on_containerd_store
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Drift

__all__ = [
    "DRIVER",
    "FEATURE",
    "SNAPSHOTTERS",
    "UNTRIED_FROM",
    "in_containerd",
    "named_storage",
    "names_snapshotter",
    "storage_changes",
    "storage_keys",
]

DRIVER: KeyPath = ("storage-driver",)
FEATURE: KeyPath = ("features", "containerd-snapshotter")
# From this release on nobody has tried what the engine has on disk and in containerd's store.
UNTRIED_FROM = EngineVersion(30, 0)

_DEFAULT = "overlayfs"


def in_containerd(engine: EngineState) -> bool:
    """Tell whether the engine has its images in containerd's store."""
    return on_containerd_store(engine.info)


def storage_keys(drifts: Sequence[Drift]) -> tuple[Drift, ...]:
    """Give the drifts that may choose another storage."""
    return tuple(
        drift
        for drift in drifts
        if drift.path in {DRIVER, FEATURE} and drift.impact is Impact.MIGRATE
    )


def named_storage(document: Mapping[str, Json], *, containerd: bool) -> str:
    """Give the driver or snapshotter that a document names; empty for the engine's own choice.

    As model.drivers calls it. `containerd`: whether the document chooses containerd's store.
    """
    named = document.get("storage-driver")
    driver = named if isinstance(named, str) else ""
    return of_containerd(driver or _DEFAULT) if containerd else driver


def names_snapshotter(document: Mapping[str, Json]) -> bool:
    """Tell whether `storage-driver` in a document is the name of a snapshotter."""
    named = str(document.get("storage-driver"))
    stored = leaves.get(document, FEATURE) is True
    return (of_containerd(named) if stored else named) in SNAPSHOTTERS


def storage_changes(
    document: Mapping[str, Json], drifts: Sequence[Drift], host: HostState, *, containerd: bool
) -> bool:
    """Tell whether images and containers would be hidden by another storage."""
    if not storage_keys(drifts):
        return False
    if not isinstance(host.engine, EngineState):
        return True  # which one it was on is not known
    return (
        containerd is not in_containerd(host.engine)
        or named_storage(document, containerd=containerd) != host.engine.driver
    )
