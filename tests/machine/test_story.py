"""The demo's story, on every release and on the simulated host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_stage import FakeStage, fake_stage
from machine import Machine
from machine_stage import MachineStage
from story import tell


@pytest.mark.suite("bookworm", "trixie", "forky")
@pytest.mark.timeout(600)
def test_story_on_real_machine(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    package = build_deb("bookworm" if suite == "bookworm" else "trixie")
    tell(MachineStage(machine, package))


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[FakeStage]:
    with fake_stage(tmp_path) as stage:
        yield stage


def test_story_on_simulated_host(simulated: FakeStage) -> None:
    tell(simulated)
