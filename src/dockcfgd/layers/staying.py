"""Which containers stay when an engine stops, by its files, and where their content goes ahead."""

from __future__ import annotations

import json
from pathlib import Path

from dockcfgd.model.drivers import engine_name

__all__ = ["ahead_of", "staying"]

_CONFIG = "config.v2.json"


def staying(root: Path, driver: str) -> dict[str, str]:
    """Give the names by ID of the containers of a driver that do not go with the engine's stop.

    The engine may serve: one that is removed meanwhile is left out.
    """
    there = {}
    for config in (root / "containers").glob(f"*/{_CONFIG}"):
        try:
            document = json.loads(config.read_bytes())
        except FileNotFoundError:
            continue
        state = document.get("State") or {}
        going = state.get("Dead") or state.get("RemovalInProgress") or _disposable(config.parent)
        if document.get("Driver") == engine_name(driver) and not going:
            there[config.parent.name] = str(document.get("Name", "")).removeprefix("/")
    return there


def ahead_of(staging: str, container: str) -> str:
    """Give the folder of what is copied ahead of a container (layers/ahead.py)."""
    return f"{staging}/ahead/{container}"


def _disposable(folder: Path) -> bool:
    """Whether it was created with --rm: one that never ran goes at the engine's next start."""
    try:
        return json.loads((folder / "hostconfig.json").read_bytes()).get("AutoRemove") is True
    except FileNotFoundError:
        return False
