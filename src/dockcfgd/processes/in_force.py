"""The settings that the engine runs with, or would start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.planning.launch import launch_in_force, running_flags
from dockcfgd.planning.rules.scene import with_flags
from dockcfgd.planning.target import UnreadableFile, daemon_json

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState

__all__ = ["data_root_of", "settings_of"]


def settings_of(host: HostState) -> dict[str, Json]:
    """Give daemon.json's keys with those of the flags; of a file that is no JSON the flags alone.

    Of a running engine they are those of its process.
    """
    try:
        document = daemon_json(host)
    except UnreadableFile:
        document = {}
    flags = running_flags(host) if host.command else launch_in_force(host).flags
    return with_flags(document, flags)


def data_root_of(host: HostState) -> str:
    """Give where the engine keeps its data when it cannot say so itself."""
    settings = settings_of(host)
    named = settings.get("data-root") or settings.get("graph")
    return named if isinstance(named, str) and named else "/var/lib/docker"
