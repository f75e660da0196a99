"""A look at docker.service's processes, as the document of `tree` (schema 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.secrets import redact_value
from dockcfgd.model.errors import EngineFailure, FileFailure, SystemdFailure
from dockcfgd.model.host import EngineState
from dockcfgd.observe import observe
from dockcfgd.processes.in_force import data_root_of, settings_of
from dockcfgd.processes.known import known_by_engine, known_by_files
from dockcfgd.processes.roles import is_engine
from dockcfgd.processes.tree import Node, Scenery, other_namespaces, tree_of

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.model.host import HostState
    from dockcfgd.ports import Processes
    from dockcfgd.processes.roles import Known
    from dockcfgd.settings import Settings

__all__ = ["look_tree", "scenery_of"]


def look_tree(effects: Effects, settings: Settings, processes: Processes) -> dict[str, Any]:
    """Look once and give the document; `notes` say what could not be looked at. Never raises."""
    notes: list[str] = []
    host: HostState | None = None
    try:
        host = observe(effects, settings)
    except (SystemdFailure, FileFailure) as failure:
        notes.append(f"flags and settings were not looked at: {failure}")
    scenery = scenery_of(effects, host, processes, notes)
    engine = host.engine if host is not None else None
    running = any(is_engine(one) for one in scenery.processes)
    if isinstance(engine, EngineState):
        version, reason = engine.version, ""
    else:
        version, reason = "", engine.reason if engine is not None else "systemd cannot be asked"
    return {
        "schema": 1,
        "engine": {"running": running, "version": version, "reason": reason},
        "processes": [_document(node) for node in tree_of(scenery)],
        "others": other_namespaces(scenery),
        "notes": notes,
    }


def scenery_of(
    effects: Effects, host: HostState | None, processes: Processes, notes: list[str]
) -> Scenery:
    """Give what the tree is made of; the engine's files stand in for an engine that is down."""
    containers: dict[str, Known] = {}
    asked = False
    try:
        if host is not None and isinstance(host.engine, EngineState):
            containers, asked = known_by_engine(effects.containers.list()), True
    except EngineFailure as failure:
        notes.append(str(failure))
    if not asked:
        try:
            root = data_root_of(host) if host is not None else "/var/lib/docker"
            containers = known_by_files(effects.files, root)
        except FileFailure as failure:
            notes.append(f"the containers' names are not known: {failure}")
    seen = processes.list()
    if asked:
        containers = _known_then(containers, effects)
    return Scenery(seen, containers, asked=asked, namespaces=_namespaces(host))


def _known_then(before: dict[str, Known], effects: Effects) -> dict[str, Known]:
    """Give the containers as of when the processes were listed, between `before` and now.

    One that came or went meanwhile would else have a shim, and to the engine none.
    """
    try:
        now = known_by_engine(effects.containers.list())
    except EngineFailure:
        return before
    ran = {identity: one for identity, one in before.items() if one.active or identity not in now}
    return now | ran


def _namespaces(host: HostState | None) -> tuple[str, str]:
    settings = settings_of(host) if host is not None else {}
    names = (
        settings.get(key) or default
        for key, default in (
            ("containerd-namespace", "moby"),
            ("containerd-plugins-namespace", "plugins.moby"),
        )
    )
    first, second = map(str, names)
    return first, second


def _document(node: Node) -> dict[str, Any]:
    process, mapping, known = node.process, node.mapping, node.known
    return {
        "kind": str(node.kind),
        "pid": process.pid,
        "memory": process.memory,
        "cpu": round(process.cpu, 2),
        "command": redact_value((), [*process.arguments]) or [process.name],
        "container": {
            "id": node.container,
            "name": known.name if known else None,
            "state": (known.state or None) if known else None,
            "image": known.image if known else None,
        }
        if node.container
        else None,
        "port": {
            "protocol": mapping.protocol,
            "host": [mapping.host_address, mapping.host_port],
            "container": [mapping.container_address, mapping.container_port],
            "text": mapping.text(),
        }
        if mapping
        else None,
        "whole": {
            "processes": node.whole.processes,
            "memory": node.whole.memory,
            "cpu": round(node.whole.cpu, 2),
        }
        if node.whole
        else None,
        "trouble": node.trouble or None,
        "children": [_document(child) for child in node.children],
    }
