"""A look at the host for `import`: as far as it can be seen, and what could not be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.desired.import_host import Imported, import_host
from dockcfgd.desired.load import load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import FileFailure, Finding, InvalidDesiredState, SystemdFailure
from dockcfgd.model.host import EngineDown, HostState, UnitState
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.observe import observe

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.settings import Settings

__all__ = ["import_from", "without_units"]


def import_from(effects: Effects, settings: Settings) -> Imported:
    """Look and give the TOML; notes say what could not be looked at.

    Raises ImportRefused for a daemon.json that is not valid, FileFailure for one that cannot be
    read.
    """
    notes: list[Finding] = []
    try:
        host = observe(effects, settings)
    except SystemdFailure as failure:
        host = without_units(effects, settings)
        notes.append(
            Finding(message=f"flags, environment and drop-ins were not looked at: {failure}")
        )
    if host.unit.load_state == "not-found":
        notes.append(Finding(message="docker.service is not installed on this host"))
    notes += _unread(effects, host)
    loaded = load(effects.files, config_file=settings.config_file, folders=settings.config_dirs)
    ours = None
    try:
        if parse(loaded, version=EngineVersion.parse_or_none(host.version)):
            ours = loaded
    except InvalidDesiredState as invalid:
        why = f"the desired state in force was left out, for it is refused: {invalid}"
        notes.append(Finding(message=why))
    imported = import_host(host, ours=ours)
    return replace(imported, notes=(*notes, *imported.notes))


def without_units(effects: Effects, settings: Settings) -> HostState:
    """Give the host as it can be seen without systemd: its managed files at their usual places."""
    return HostState(
        daemon_json=effects.files.read(settings.daemon_json),
        drop_in=effects.files.read(settings.drop_in),
        unit=UnitState(DOCKER_SERVICE, load_state="", active_state="", sub_state=""),
        engine=EngineDown("systemd cannot be asked"),
    )


def _unread(effects: Effects, host: HostState) -> list[Finding]:
    """Find files of the unit that this user may not read: for `observe` they are empty."""
    notes = []
    for seen in (*host.unit_files, *host.environment_files):
        try:
            effects.files.read(seen.path)
        except FileFailure as failure:
            notes.append(Finding(message=f"not looked at: {failure}"))
    return notes
