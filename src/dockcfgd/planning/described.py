"""An engine that serves on its files, of which nothing else is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.model.host import SNAPSHOTTER, EngineDown, EngineState
from dockcfgd.planning import leaves
from dockcfgd.planning.storage_change import FEATURE
from dockcfgd.planning.target import UnreadableFile, daemon_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState

__all__ = ["described_engine", "supposed"]

_IN_USE = 1


def described_engine(version: str, document: Mapping[str, Json]) -> EngineState:
    """Give an engine of that version that serves with that daemon.json; images are there."""
    return EngineState(
        version=version, api_version="", info=_info(version, document), images=_IN_USE
    )


def supposed(host: HostState) -> HostState:
    """Give the host with such an engine in place of one that runs and cannot be asked."""
    if not host.unit.running or not isinstance(host.engine, EngineDown):
        return host
    try:
        document = daemon_json(host)
    except UnreadableFile:
        return host
    return replace(host, engine=described_engine(host.binary_version, document))


def _info(version: str, document: Mapping[str, Json]) -> dict[str, Json]:
    """Give of /info what daemon.json itself says; the rest cannot be told."""
    pools = document.get("default-address-pools")
    stored = leaves.get(document, FEATURE) is True
    return {
        "ServerVersion": version,
        **({"Driver": document["storage-driver"]} if "storage-driver" in document else {}),
        **({"DriverStatus": [["driver-type", SNAPSHOTTER]]} if stored else {}),
        "LiveRestoreEnabled": document.get("live-restore") is True,
        "DefaultAddressPools": [
            {"Base": pool.get("base"), "Size": pool.get("size")}
            for pool in (pools if isinstance(pools, list) else [])
            if isinstance(pool, dict)
        ],
    }
