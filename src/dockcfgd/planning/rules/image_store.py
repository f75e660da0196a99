"""Which image store the engine will use: graph drivers of its own, or containerd's snapshotters."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.engines import removed_storage_drivers, snapshotters, storage_drivers
from dockcfgd.model.drivers import of_containerd
from dockcfgd.planning.rules.breach import misleads, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "Store", "is_only_snapshotter", "store_of"]

_FEATURE = ("features", "containerd-snapshotter")
_DRIVER = "storage-driver"
_ALSO = (_DRIVER, "data-root", "userns-remap")


class Store(StrEnum):
    """Where images and writable layers lie."""

    GRAPH_DRIVERS = "graph drivers"
    CONTAINERD = "containerd"


def store_of(scene: Scene) -> Store:
    """Give the store that the engine chooses."""
    wanted = _feature(scene)
    if wanted is not None and (wanted is False or scene.from_release("24.0")):
        return Store.CONTAINERD if wanted else Store.GRAPH_DRIVERS
    if not scene.from_release("29.0") or scene.text("userns-remap"):
        return Store.GRAPH_DRIVERS
    if scene.prior_drivers:
        return Store.GRAPH_DRIVERS
    named = scene.environment.get("DOCKER_DRIVER") or scene.text(_DRIVER)
    return Store.GRAPH_DRIVERS if named in storage_drivers(scene.version) else Store.CONTAINERD


def _feature(scene: Scene) -> bool | None:
    value = scene.table("features").get("containerd-snapshotter")
    return value if isinstance(value, bool) else None


def snapshotter(scene: Scene) -> Iterator[Breach]:
    """Refuse, for the containerd store, what is no snapshotter."""
    named = scene.environment.get("DOCKER_DRIVER") or scene.text(_DRIVER)
    if store_of(scene) is not Store.CONTAINERD or not named or named in snapshotters():
        return
    known = {*storage_drivers(None), *removed_storage_drivers(None)}
    if named in known or not _installed(scene, named):
        why = f"the containerd image store has no snapshotter {named}"
        hint = 'use "overlayfs", or set features.containerd-snapshotter = false'
        if scene.from_release("29.0"):
            yield refuse(_DRIVER, why, hint, also=("features",))
        else:
            why += ": the engine would start with it and create no container"
            yield misleads(_DRIVER, why, hint, also=("features",))


def _installed(scene: Scene, named: str) -> bool:
    """Whether the running engine uses a snapshotter that this release does not know."""
    return scene.engine is not None and scene.engine.driver == of_containerd(named)


def snapshotter_without_feature(scene: Scene) -> Iterator[Breach]:
    """Refuse a snapshotter where the engine would look for a graph driver of that name."""
    named = scene.environment.get("DOCKER_DRIVER") or scene.text(_DRIVER)
    if store_of(scene) is not Store.GRAPH_DRIVERS or not is_only_snapshotter(scene, named):
        return
    why = f"{named} is a snapshotter of the containerd image store, which is not switched on"
    if scene.from_release("29.0") and _feature(scene) is None and scene.prior_drivers:
        found = ", ".join(scene.prior_drivers)
        why = f"the engine finds data of {found} and so looks for a storage driver called {named}"
    hint = "set features.containerd-snapshotter = true as well"
    yield refuse(_DRIVER, why, hint, also=("features", "data-root"))


def is_only_snapshotter(scene: Scene, name: str) -> bool:
    """Whether it is the name of a snapshotter and never was that of a storage driver."""
    own = {*storage_drivers(None), *removed_storage_drivers(None)}
    return name in snapshotters() and name not in own and scene.from_release("24.0")


def user_namespaces(scene: Scene) -> Iterator[Breach]:
    """Refuse both together where the engine does."""
    if scene.text("userns-remap") and _feature(scene) is True and scene.from_release("29.0"):
        why = "the containerd image store cannot be combined with userns-remap"
        hint = "leave features.containerd-snapshotter out"
        yield refuse(_FEATURE, why, hint, also=("userns-remap",))


def choice_of_29(scene: Scene) -> Iterator[Breach]:
    """Tell what an engine from 29 on chooses by itself."""
    if not scene.from_release("29.0") or scene.version is None or _feature(scene) is not None:
        return
    if store_of(scene) is Store.CONTAINERD:
        what = "the engine will use the containerd image store"
    elif scene.prior_drivers:
        what = f"the engine will keep to graph drivers, for it has data of {scene.prior_drivers[0]}"
    else:
        return
    hint = "features.containerd-snapshotter says it once and for all"
    yield note(_FEATURE, what, hint, also=_ALSO)


RULES = (snapshotter, snapshotter_without_feature, user_namespaces, choice_of_29)
