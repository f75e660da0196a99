from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli.undisturbed import undisturbed
from tests.unit.cli.surroundings import golden, living

if TYPE_CHECKING:
    from pathlib import Path

_REST = living(golden("status", "in-sync"))


def _busy(transaction: str) -> dict[str, Any]:
    return {**_REST, "phase": "applying", "last": {**_REST["last"], "transaction": transaction}}


def _rest(transaction: str) -> dict[str, Any]:
    return {**_REST, "last": {**_REST["last"], "transaction": transaction}}


def _looks(*statuses: dict[str, Any] | None) -> tuple[int, list[str]]:
    """Give how often it was looked, where the status reads so, one after the other."""
    left, looked, told = list(statuses), [], list[str]()

    def read() -> dict[str, Any] | None:
        return left.pop(0) if len(left) > 1 else left[0]

    undisturbed(lambda: looked.append(1), read_status=read, tell=told.append)
    return len(looked), told


def test_at_rest_one_look_is_enough() -> None:
    assert _looks(_rest("a")) == (1, [])


def test_without_a_daemon_one_look_is_enough() -> None:
    assert _looks(None) == (1, [])
    assert _looks({**_busy("a"), "daemon": None}) == (1, [])


def test_the_end_of_a_change_is_awaited() -> None:
    assert _looks(_busy("a"), _busy("a"), _rest("a")) == (1, [])


def test_a_change_that_came_in_between_is_looked_past() -> None:
    assert _looks(_rest("a"), _busy("b"), _busy("b"), _rest("b")) == (2, [])
    assert _looks(_rest("a"), _rest("b"), _rest("b"), _rest("b")) == (2, [])


def test_a_file_that_was_just_dropped_is_given_the_time_to_be_noticed(tmp_path: Path) -> None:
    folder = {"path": str(tmp_path), "inode": 1, "mtime_ns": 1, "size": 1}
    desired = {**_REST["desired"], "folders": [folder]}
    unseen = {**_REST, "desired": desired}
    assert _looks(unseen, unseen, _busy("b"), _rest("b")) == (1, [])
