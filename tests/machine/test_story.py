"""The demo's story, on every release and on the simulated host."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_stage import FakeStage, fake_stage
from machine import Machine
from machine_stage import MachineStage
from story import tell

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build_deb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build the package for a release, once."""

    def build(release: str) -> Path:
        output = tmp_path_factory.mktemp(release)
        command = [str(TREE / "packaging/build-deb"), release, str(output)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    return functools.cache(build)


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
