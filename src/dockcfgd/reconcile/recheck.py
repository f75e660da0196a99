"""What no unit and no watched folder tells of: an engine that is up and does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.model.host import EngineDown

if TYPE_CHECKING:
    from dockcfgd.model.host import HostState
    from dockcfgd.ports import Clock

__all__ = ["Recheck", "folders_of"]

_SHORTEST, _LONGEST = 5.0, 60.0


class Recheck:
    """When to look again at an engine whose unit runs and whose API is silent.

    Each time after a longer while, and at most a minute: its coming back gives no event.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pause, self._until = 0.0, 0.0

    def note(self, host: HostState | None) -> None:
        """Note what a look found."""
        silent = host is not None and host.unit.running and isinstance(host.engine, EngineDown)
        if not silent:
            self._pause = 0.0
        elif not self._pause or self._clock.monotonic() >= self._until:
            self._pause = min(max(2 * self._pause, _SHORTEST), _LONGEST)
            self._until = self._clock.monotonic() + self._pause

    @property
    def left(self) -> float | None:
        """Seconds until then; None where nothing is to be waited for."""
        return max(self._until - self._clock.monotonic(), 0.0) if self._pause else None


def folders_of(host: HostState) -> frozenset[str]:
    """Give the folders of the files that the engine's start reads, beside its unit's."""
    files = (host.daemon_json.path, *(one.path for one in host.environment_files))
    return frozenset(str(Path(path).parent) for path in files if path.startswith("/"))
