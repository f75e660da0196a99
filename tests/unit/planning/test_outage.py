"""How long the last comparable action took."""

from __future__ import annotations

import pytest

from dockcfgd.model import steps as do
from dockcfgd.planning.outage import PastTransaction, last_outage

_BRIDGED = (do.NoteRunning(), do.RestartEngine(1.0, bridged=True), do.ResumeContainers(""))
_PLAIN = (do.NoteRunning(), do.RestartEngine(1.0), do.ResumeContainers(""))
_EMPTY = (do.NoteRunning(), do.RestartEngine(1.0))
_MIGRATION = (
    do.BackUpImages("b", "/d", "vfs"),
    do.BackUpContainers("b", "/d"),
    do.StopEngine(1.0),
    do.StartEngine(1.0),
    do.RestoreStorage("b", "/d"),
)


def _past(name: str, steps: tuple[do.Step, ...]) -> PastTransaction:
    times = {at: (10.0 * at, 10.0 * at + 4) for at in range(len(steps))}
    return PastTransaction(name, steps, times, 99.0)


_ALL = [
    _past("b", _BRIDGED),
    _past("p", _PLAIN),
    _past("e", _EMPTY),
    _past("m", _MIGRATION),
    _past("older", _PLAIN),
]


@pytest.mark.parametrize(
    ("steps", "of", "seconds", "what"),
    [
        (_BRIDGED, "b", 4.0, "engine"),
        (_PLAIN, "p", 14.0, "containers"),
        (_EMPTY, "e", 4.0, "engine"),
        (_MIGRATION, "m", 34.0, "containers"),
    ],
)
def test_like_is_compared_with_like(
    steps: tuple[do.Step, ...], of: str, seconds: float, what: str
) -> None:
    outage = last_outage(steps, _ALL)
    assert outage is not None
    assert (outage.of, outage.seconds, outage.what, outage.at) == (of, seconds, what, 99.0)


def test_a_reload_stops_nothing() -> None:
    assert last_outage((do.ReloadEngine((), 1.0),), _ALL) is None


def test_without_one_of_its_kind_there_is_none() -> None:
    assert last_outage(_BRIDGED, [_past("p", _PLAIN)]) is None


def test_one_whose_times_are_not_known_is_passed_over() -> None:
    unknown = PastTransaction("x", _PLAIN, {}, 100.0)
    outage = last_outage(_PLAIN, [unknown, *_ALL])
    assert outage is not None
    assert outage.of == "p"
