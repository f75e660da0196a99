"""The scene that the engine's rules judge, from a target and a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.facts import Facts
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.planning import leaves
from dockcfgd.planning.flags import parse_flags
from dockcfgd.planning.launch import launch_with
from dockcfgd.planning.rules.image_store import Store, store_of
from dockcfgd.planning.rules.scene import Scene, with_flags
from dockcfgd.planning.storage_change import UNTRIED_FROM, storage_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.plan import Drift
    from dockcfgd.planning.target import Target

__all__ = ["chooses_containerd", "fills_store", "scene_of"]


def scene_of(target: Target, host: HostState, arguments: tuple[str, ...]) -> Scene:
    """Set the scene: `arguments` are those that dockerd will get."""
    document, flags = target.document or {}, parse_flags(arguments)
    environment = launch_with(host, target.drop_in).environment
    engine = host.engine if isinstance(host.engine, EngineState) else None
    return Scene(
        settings=with_flags(document, flags),
        version=EngineVersion.parse_or_none(host.version),
        build=host.version,
        engine=engine,
        facts=host.facts or Facts(),
        environment={name: one.value for name, one in environment.items()},
        assigned_at={name: f"{one.file}:{one.line}" for name, one in environment.items()},
        prior_drivers=_prior_drivers(host),
        foreign=frozenset(leaves.flatten(document)) - target.managed,
        by_flag=frozenset(flag.key for flag in flags) - set(document),
        daemon_json=host.daemon_json.path,
    )


def chooses_containerd(target: Target, host: HostState) -> bool:
    """Tell whether the engine would have its images in containerd's store."""
    return (
        store_of(scene_of(target, host, launch_with(host, target.drop_in).arguments))
        is Store.CONTAINERD
    )


def fills_store(target: Target, host: HostState, drifts: Sequence[Drift]) -> bool:
    """Tell whether containerd's store comes, of a kind that is known.

    What it has from an earlier time lies in no data-root: an empty host may have something there.
    """
    version = EngineVersion.parse_or_none(host.version)
    known = version is not None and version < UNTRIED_FROM
    return known and bool(storage_keys(drifts)) and chooses_containerd(target, host)


def _prior_drivers(host: HostState) -> tuple[str, ...]:
    """Give the drivers with data in the wanted data-root, or, not seen yet, in the present one."""
    if host.facts is not None and host.facts.prior_drivers is not None:
        return host.facts.prior_drivers
    return host.engine.prior_drivers if isinstance(host.engine, EngineState) else ()
