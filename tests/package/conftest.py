from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import Machine, MachineUnavailable
from roots import SUITES

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tree() -> Path:
    return TREE


@pytest.fixture(scope="session")
def unit_file() -> Path:
    return TREE / "packaging/systemd/dockcfgd.service"


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


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(suite: str, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Yield a booted machine of *suite* with a running engine."""
    try:
        made = Machine(suite)
    except MachineUnavailable as reason:
        pytest.skip(str(reason))
    with made:
        made.boot()
        failed = request.session.testsfailed
        yield made
        if request.session.testsfailed > failed:
            made.collect(TREE / "artifacts" / request.node.name)
