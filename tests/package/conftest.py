from __future__ import annotations

from collections.abc import Iterator
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
