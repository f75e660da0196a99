"""The stories that are cut off have each sequence of steps that a golden plan has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dockcfgd.model.files import FileState
from dockcfgd.transaction.executor import Ending, Executor
from dockcfgd.transaction.journal import OpenTransaction
from tests.crash.catalogue import STORIES
from tests.crash.stories import Told
from tests.golden.test_plans import golden_plans

# Going back to a kept storage is no desired state; test_storage_back.py cuts it off.
ELSEWHERE = {"storage-back", "containerd-store-btrfs-storage-back"}

Shape = tuple[str, ...]


@pytest.mark.timeout(300)
def test_every_golden_plan_is_cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = shapes_told(folder, monkeypatch)
    golden = {
        name: tuple(type(step).__name__ for step in plan.steps)
        for name, plan in golden_plans()
        if plan.steps and name not in ELSEWHERE
    }
    missing = {name: shape for name, shape in golden.items() if shape not in told}
    count = len(set(golden.values()))
    print(f"{len(golden)} golden plans have {count} sequences of steps, {len(told)} are cut off")
    assert missing == {}


def shapes_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[Shape]:
    """Tell all stories to their ends; give the sequences of steps that they took."""
    told: set[Shape] = set()
    run: Callable[..., Ending] = Executor.run

    def noting(
        executor: Executor, transaction: OpenTransaction, planned_on: Sequence[FileState] = ()
    ) -> Ending:
        told.add(tuple(type(step).__name__ for step in transaction.steps))
        return run(executor, transaction, planned_on)

    monkeypatch.setattr(Executor, "run", noting)
    for story in STORIES:
        one = Told(folder / story.name, story)
        status = one.lives.look()
        assert status.condition in one.goal, f"{story.name}: {status.reason}"
    return told
