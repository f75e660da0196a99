"""What is shown from the start of dockcfgd until it has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockcfgd.first_status import recalled
from dockcfgd.history import History
from dockcfgd.model.status import Condition, Phase, Status
from dockcfgd.state_file import StateFile

if TYPE_CHECKING:
    from pathlib import Path

NEW = Status(version="1", pid=7, since=5.0)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


def keep(path: str, status: Status) -> None:
    state = StateFile(path)
    History(state).keep_status(status.document())
    state.close()


def test_a_host_that_is_managed_is_not_called_unmanaged(path: str) -> None:
    old = Status(
        version="0", pid=3, since=1.0, phase=Phase.IDLE, condition=Condition.REJECTED,
        reason="rolled back", generation=4, applied_generation=3, applied_at=2.0,
    )  # fmt: skip
    keep(path, old)
    first = recalled(NEW, path)
    assert (first.condition, first.reason) == (Condition.REJECTED, "rolled back")
    assert (first.generation, first.applied_generation, first.applied_at) == (4, 3, 2.0)
    assert (first.phase, first.version, first.pid, first.since) == (Phase.PLANNING, "1", 7, 5.0)
    assert first.folders == ()  # so that it counts as undecided


def test_at_the_very_first_start_nothing_is_known(path: str) -> None:
    assert recalled(NEW, path) == NEW
    StateFile(path).close()
    assert recalled(NEW, path) == NEW


def test_what_cannot_be_read_or_understood_is_no_obstacle(path: str, tmp_path: Path) -> None:
    keep(path, NEW)
    state = StateFile(path)
    state.remember("status", '{"condition": "of another release"}')
    state.close()
    assert recalled(NEW, path) == NEW
    (tmp_path / "state.db").write_bytes(b"no database" * 999)
    assert recalled(NEW, path) == NEW
