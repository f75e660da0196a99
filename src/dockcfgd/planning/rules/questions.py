"""Which facts of the host the rules need for a configuration: only these are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.facts import Questions
from dockcfgd.planning.rules import logging, network, places, runtimes, security, storage

if TYPE_CHECKING:
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["questions_of"]

_FUSE_PROGRAMS = {"fuse-overlayfs", "fusermount3", "fusermount"}


def questions_of(scene: Scene) -> Questions:
    """Give what must be known to judge the scene."""
    proof = storage.needs_proof(scene)
    driver = storage.planned_driver(scene) if proof else ""
    programs = set(runtimes.programs(scene))
    if driver == "fuse-overlayfs":
        programs |= _FUSE_PROGRAMS
    if driver == "zfs":
        programs.add("zfs")
    sized = bool(scene.texts("storage-opts")) and bool(storage.planned_driver(scene))
    folders = {*places.folders(scene), logging.socket_of_syslog(scene)}
    folders.add(network.bridge_to_find(scene))
    if proof or sized:
        folders.add(storage.driver_folder(scene))
    return Questions(
        folders=frozenset(folders - {""}),
        files=security.files(scene),
        programs=frozenset(programs),
        devices=storage.devices(driver),
        accounts=security.accounts(scene),
        filesystems=bool(driver),
        routes=_wants_routes(scene),
        plugins=_wants_plugins(scene),
        data_root=scene.data_root,
    )


def _wants_routes(scene: Scene) -> bool:
    return any(key in scene.settings for key in ("default-address-pools", "bip", "default-gateway"))


def _wants_plugins(scene: Scene) -> bool:
    return bool(scene.texts("authorization-plugins")) or not logging.is_built_in(scene)
