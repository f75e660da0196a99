"""The log-level beside debug, which a reload can switch on and not off again without a loss.

Debug switched off by reload sets the level to info, whatever log-level says. A reload that switches
it on is taken back by a restart therefore, where containers bear one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.planning.launch import launch_of, running_flags
from dockcfgd.planning.target import daemon_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Drift

__all__ = ["DISPOSABLE_SURVIVE", "PLAIN_LEVEL", "bears_restart", "level_of", "lost_on_the_way_back"]

PLAIN_LEVEL = "info"
# From here on containers started with --rm outlive a restart under live-restore too.
DISPOSABLE_SURVIVE = EngineVersion(26, 0)
_DEBUG: KeyPath = ("debug",)


def level_of(document: Mapping[str, Json], host: HostState) -> str:
    """Give the log-level that an engine started with `document` has without debug."""
    named = document.get("log-level")
    if isinstance(named, str):
        return named.lower()
    flags = [flag.value.lower() for flag in launch_of(host).flags if flag.key == "log-level"]
    return flags[-1] if flags else PLAIN_LEVEL


def lost_on_the_way_back(drifts: Iterable[Drift], host: HostState) -> bool:
    """Tell whether a reload switches debug on, and one that takes it back would lose the level."""
    return any(
        drift.path == _DEBUG and drift.desired is True and drift.impact is Impact.RELOAD
        for drift in drifts
    ) and (level_of(daemon_json(host), host) != PLAIN_LEVEL)


def bears_restart(host: HostState) -> bool:
    """Tell whether every running container would run on through a restart of this engine.

    By live-restore, switched on for it where it is off.
    """
    engine = host.engine
    if not isinstance(engine, EngineState):
        return False
    if not engine.running:
        return True
    version = EngineVersion.parse_or_none(host.version)
    survive = version is not None and version >= DISPOSABLE_SURVIVE
    if engine.swarm_active or not (
        survive or all(one.auto_remove is False for one in engine.running)
    ):
        return False
    return engine.live_restore or not any(
        flag.key == "live-restore" for flag in running_flags(host)
    )
