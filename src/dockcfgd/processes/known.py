"""The containers that the engine, or its files while it is down, know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.model.errors import FileFailure
from dockcfgd.processes.roles import Known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Files

__all__ = ["known_by_engine", "known_by_files"]


def known_by_engine(listed: Iterable[Mapping[str, Json]]) -> dict[str, Known]:
    """Read the engine's list of containers."""
    found = {}
    for document in listed:
        identity, names = str(document.get("Id", "")), document.get("Names")
        found[identity] = Known(
            id=identity,
            name=str(names[0]).lstrip("/") if isinstance(names, list) and names else "",
            state=str(document.get("State", "")),
            image=str(document.get("Image", "")),
            addresses=_addresses(document.get("NetworkSettings")),
            published=tuple(_published(document.get("Ports"))),
        )
    return found


def known_by_files(files: Files, data_root: str) -> dict[str, Known]:
    """Read the engine's own files on its containers. FileFailure where this user may not."""
    found = {}
    folder = f"{data_root}/containers"
    for identity in files.names(folder):
        try:
            document = json.loads(files.read(f"{folder}/{identity}/config.v2.json").content)
        except (FileFailure, ValueError):
            continue
        if isinstance(document, dict):
            config = document.get("Config")
            found[identity] = Known(
                id=identity,
                name=str(document.get("Name", "")).lstrip("/"),
                image=str(config.get("Image", "")) if isinstance(config, dict) else "",
                addresses=_addresses(document.get("NetworkSettings")),
            )
    return found


def _addresses(settings: Json) -> tuple[str, ...]:
    networks = settings.get("Networks") if isinstance(settings, dict) else None
    found = []
    for network in networks.values() if isinstance(networks, dict) else ():
        if isinstance(network, dict):
            for key in ("IPAddress", "GlobalIPv6Address"):
                address = network.get(key)
                if isinstance(address, str) and address:
                    found.append(address)
    return tuple(found)


def _published(ports: Json) -> Iterator[tuple[str, int, str]]:
    for port in ports if isinstance(ports, list) else ():
        number = port.get("PublicPort") if isinstance(port, dict) else None
        if isinstance(port, dict) and isinstance(number, int):
            yield str(port.get("IP", "")), number, str(port.get("Type", ""))
