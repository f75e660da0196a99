"""Which containers stay when an engine stops, by its files, and where their content goes ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dockcfgd.model.drivers import SNAPSHOTTERS, engine_name

__all__ = ["ahead_of", "staying"]

_CONFIG = "config.v2.json"


def staying(root: Path, driver: str) -> dict[str, str]:
    """Give the names by ID of the containers of a driver that do not go with the engine's stop.

    The engine may serve: one that is removed meanwhile is left out. So is what the engine starts
    without and does not list (moby, daemon/daemon.go, "failed to load container"): one whose files
    are damaged, as a power cut leaves them, a copy of one under another name, and one that has lost
    its writable layer.
    """
    there = {}
    for config in (root / "containers").glob(f"*/{_CONFIG}"):
        try:
            document, host = _object(config), _host_config(config.parent)
        except (FileNotFoundError, ValueError):
            continue
        identity = config.parent.name
        if document.get("ID") != identity or not _has_layer(root, driver, identity):
            continue
        state = document.get("State") or {}
        # One with --rm that never ran goes at the engine's next start.
        disposable = host.get("AutoRemove") is True
        going = state.get("Dead") or state.get("RemovalInProgress") or disposable
        if document.get("Driver") == engine_name(driver) and not going:
            there[identity] = str(document.get("Name", "")).removeprefix("/")
    return there


def ahead_of(staging: str, container: str) -> str:
    """Give the folder of what is copied ahead of a container (layers/ahead.py)."""
    return f"{staging}/ahead/{container}"


def _has_layer(root: Path, driver: str, container: str) -> bool:
    """Whether the engine knows of a writable layer; of containerd's it does not keep that here."""
    mounts = root / "image" / driver / "layerdb" / "mounts"
    return driver in SNAPSHOTTERS or (mounts / container / "mount-id").exists()


def _host_config(folder: Path) -> dict[str, Any]:
    """Give what a container was created with; the engine does without the file, too."""
    try:
        return _object(folder / "hostconfig.json")
    except FileNotFoundError:
        return {}


def _object(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 -- as what is no JSON at all
    return document
