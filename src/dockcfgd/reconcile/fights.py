"""Two writers with different minds: noticed by how often the same key had to be put back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.plan import Drift
    from dockcfgd.ports import Clock
    from dockcfgd.state_file import StateFile

__all__ = ["Fights"]

_FACT, _LOST = "put-back", "fight"
_SPAN = 600.0
_MOST_A_KEY = 3
_MOST_IN_ALL = 10


class Fights:
    """How often drift was put back or adopted lately, kept in the state file.

    A key may be put back 3 times within 10 minutes, and drift of any kind 10 times: who still
    writes something else then has to be found by a person. A new desired state begins anew.
    """

    def __init__(self, state: StateFile, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def lost(self, drifts: Sequence[Drift]) -> str:
        """Say what the fight is about, if putting these back once more would go on with one.

        Once said it stays so, until something new begins.
        """
        if not drifts:
            return ""
        known = self._state.fact(_LOST)
        why = known or self._why(drifts)
        if why != known:
            self._state.remember(_LOST, why)
        return why

    def _why(self, drifts: Sequence[Drift]) -> str:
        times = self._times()
        for drift in drifts:
            name = ".".join((drift.where, *drift.path))
            if len(times.get(name, ())) >= _MOST_A_KEY:
                return (
                    f"somebody else keeps changing {'.'.join(drift.path) or drift.where}: it is"
                    f" {drift.actual!r} again, {drift.desired!r} is wanted, and it was put back"
                    f" or adopted {_MOST_A_KEY} times within {_SPAN / 60:.0f} minutes"
                )
        if len({moment for moments in times.values() for moment in moments}) >= _MOST_IN_ALL:
            return (
                f"drift was put back or adopted {_MOST_IN_ALL} times within"
                f" {_SPAN / 60:.0f} minutes: something else writes these files"
            )
        return ""

    def note(self, drifts: Sequence[Drift]) -> None:
        """Note that these were put back, or became the desired state."""
        times, now = self._times(), self._clock.now()
        for drift in drifts:
            name = ".".join((drift.where, *drift.path))
            times[name] = [*times.get(name, ()), now]
        self._state.remember(_FACT, json.dumps(times))

    def forget(self) -> None:
        """Begin anew."""
        for fact in (_FACT, _LOST):
            if self._state.fact(fact):
                self._state.remember(fact, "")

    def _times(self) -> dict[str, list[float]]:
        """Give the moments of the last span; those of a clock that was put back are none."""
        now = self._clock.now()
        kept = json.loads(self._state.fact(_FACT) or "{}")
        return {
            name: moments
            for name, known in kept.items()
            if (moments := [moment for moment in known if 0 <= now - moment < _SPAN])
        }
