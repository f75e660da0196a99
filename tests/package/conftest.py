from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import Machine, MachineUnavailable
from roots import SUITES
from tests.support.packages import built_package

TREE = Path(__file__).parents[2]
_BUILD_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None and "build_deb" in item.fixturenames:  # type: ignore[attr-defined]  # pytest's items have them
            item.add_marker(pytest.mark.timeout(_BUILD_SECONDS))


@pytest.fixture(scope="session")
def tree() -> Path:
    return TREE


@pytest.fixture(scope="session")
def unit_file() -> Path:
    return TREE / "packaging/systemd/dockcfgd.service"


@pytest.fixture(scope="session")
def build_deb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build the package for a release, once."""
    return functools.cache(lambda release: built_package(release, tmp_path_factory))


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
