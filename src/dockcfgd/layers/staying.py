"""Which containers stay when an engine stops, by its files, and where their content goes ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dockcfgd.model.drivers import engine_name

__all__ = ["ahead_of", "staying"]

_CONFIG = "config.v2.json"


def staying(root: Path, driver: str) -> dict[str, str]:
    """Give the names by ID of the containers of a driver that do not go with the engine's stop.

    The engine may serve: one that is removed meanwhile is left out. So is one whose files are
    damaged, as a power cut leaves them.
    """
    there = {}
    for config in (root / "containers").glob(f"*/{_CONFIG}"):
        try:
            document, host = _object(config), _host_config(config.parent)
        except (FileNotFoundError, ValueError):
            # The engine starts without one that it cannot read, and does not list it (moby,
            # daemon/daemon.go, "failed to load container").
            continue
        state = document.get("State") or {}
        # One with --rm that never ran goes at the engine's next start.
        disposable = host.get("AutoRemove") is True
        going = state.get("Dead") or state.get("RemovalInProgress") or disposable
        if document.get("Driver") == engine_name(driver) and not going:
            there[config.parent.name] = str(document.get("Name", "")).removeprefix("/")
    return there


def ahead_of(staging: str, container: str) -> str:
    """Give the folder of what is copied ahead of a container (layers/ahead.py)."""
    return f"{staging}/ahead/{container}"


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
