"""The engine's plugins as they lie on disk, whether or not it runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.ports import Files

__all__ = ["plugins_of"]

_SOCKETS = "/run/docker/plugins"
_SPECS = ("/etc/docker/plugins", "/usr/lib/docker/plugins")


def plugins_of(files: Files, data_root: str) -> dict[str, frozenset[str]]:
    """Give name and kinds (`authz`, `logdriver` …) of every plugin that the engine could use.

    A managed one counts when it is enabled. One that only has a socket or a spec tells its kinds
    when it is asked, so it has none here.
    """
    unmanaged = {name: frozenset[str]() for name in _unmanaged(files)}
    return {**unmanaged, **dict(_managed(files, data_root))}


def _unmanaged(files: Files) -> Iterator[str]:
    for name in _names(files, _SOCKETS):
        # The socket may lie in a folder of its name.
        yield name.removesuffix(".sock")
    for folder in _SPECS:
        for name in _names(files, folder):
            yield name.removesuffix(".spec").removesuffix(".json")


def _managed(files: Files, data_root: str) -> Iterator[tuple[str, frozenset[str]]]:
    folder = f"{data_root}/plugins"
    for name in _names(files, folder):
        described = _document(files, f"{folder}/{name}/config.json").get("PluginObj")
        if isinstance(described, dict) and described.get("Enabled") is True:
            yield str(described.get("Name", "")), frozenset(_kinds(described))


def _kinds(described: dict[str, Any]) -> Iterator[str]:
    config = described.get("Config")
    interface = config.get("Interface") if isinstance(config, dict) else None
    types = interface.get("Types") if isinstance(interface, dict) else None
    for kind in types if isinstance(types, list) else ():
        # Older engines wrote it as one text, such as docker.authz/1.0.
        text = kind if isinstance(kind, str) else str(kind.get("Capability", ""))
        yield text.partition("/")[0].rpartition(".")[2]


def _names(files: Files, folder: str) -> tuple[str, ...]:
    try:
        return files.names(folder)
    except FileFailure:
        return ()


def _document(files: Files, path: str) -> dict[str, Any]:
    try:
        document = json.loads(files.read(path).content or b"{}")
    except (FileFailure, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
