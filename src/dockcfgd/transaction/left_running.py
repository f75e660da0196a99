"""Containers that run on though their engine has stopped.

An engine that is told to stop ends its containers, each with its own time for that. Where that
takes longer than systemd gives the engine (TimeoutStopSec=, 90 s), it alone is killed
(KillMode=process): the containers go on with what they do at their end, and write. What they have
written is all there once they have ended.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.processes.roles import container_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import Json

__all__ = ["await_end", "end_older_than_engine"]

_RUNS = frozenset({"active", "deactivating"})
_SCOPE_SECONDS = 100.0
_LOOK_EVERY = 0.5
# What the engine gives one that has no time of its own (docker-stop(1)).
_USUAL_SECONDS = 10.0
# One with a stop timeout of -1 may take for ever; systemd would not wait so long for its engine.
_ENDLESS_SECONDS = 600.0
_GONE_SECONDS = 20.0


def await_end(
    root: str, effects: Effects, *, noted: Json, stopped_at: float, heed: Callable[[], None]
) -> None:
    """Return when no container below the data-root runs any more.

    `heed` is called meanwhile and may raise to end the wait.

    Each has its own time (`stop_timeout` in `noted`, which `note_running` gave) from `stopped_at`
    on, the monotonic moment at which the engine was told to stop. After it, it is killed, as the
    engine would have done. SystemdFailure where one cannot be ended.
    """
    own = _own_times(noted)
    killed: dict[str, float] = {}
    while left := _left(root, effects):
        now = effects.clock.monotonic()
        for container in left:
            if container in killed:
                if now - killed[container] > _GONE_SECONDS:
                    raise _stays(container)
            elif now - stopped_at > own.get(container, _USUAL_SECONDS):
                effects.systemd.kill(_scope(container))
                killed[container] = now
        heed()
        effects.clock.sleep(_LOOK_EVERY)


def end_older_than_engine(root: str, effects: Effects) -> None:
    """End what still runs of containers whose engine was killed instead of stopped.

    They have the same IDs on the other driver, or in the other data-root, whose engine does not
    know that they run, and starts them in vain for as long as they do. What began after a living
    engine is its own: at a boot it starts containers on data that dockcfgd-recover has put back
    before.
    """
    # Where systemd cannot be asked no engine is started either.
    with suppress(SystemdFailure):
        engine = effects.systemd.unit(DOCKER_SERVICE)
        since = engine.started if engine.main_pid else math.inf
        for container in _containers(root):
            scope = _scope(container)
            unit = effects.systemd.unit(scope)
            if unit.active_state in _RUNS and unit.started < since:
                effects.systemd.run_job(JobVerb.STOP, scope, timeout=_SCOPE_SECONDS)


def _left(root: str, effects: Effects) -> Sequence[str]:
    running = {container_of(process) for process in effects.systemd.processes()}
    return [container for container in _containers(root) if container in running]


def _containers(root: str) -> Sequence[str]:
    """Give those that lie in a data-root, also in the folders in it of remapped users."""
    patterns = ("containers/*", "[0-9]*.[0-9]*/containers/*")
    return sorted({folder.name for one in patterns for folder in Path(root).glob(one)})


def _own_times(noted: Json) -> Mapping[str, float]:
    times = {}
    for one in noted if isinstance(noted, list) else ():
        if isinstance(one, dict) and isinstance(own := one.get("stop_timeout"), int):
            times[str(one.get("id"))] = _ENDLESS_SECONDS if own < 0 else float(own)
    return times


def _scope(container: str) -> str:
    return f"docker-{container}.scope"


def _stays(container: str) -> SystemdFailure:
    """Say so of one with the cgroupfs driver, too: it has no scope, and is no unit of systemd's."""
    return SystemdFailure(
        what=f"end container {container[:12]}",
        name="",
        why="the engine has stopped and it still runs, so that its files may still change;"
        " end its processes",
    )
