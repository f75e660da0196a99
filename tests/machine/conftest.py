"""Fixtures that give a test a machine, and what they leave behind when it fails.

A test that takes `machine` gets a booted one of its own; `module_machine` is shared by a module's
tests that do not mind; `new_machine` makes any number, off at first. `@pytest.mark.suite(...)`
names the releases to run on (trixie, if it is not there), `@pytest.mark.machine(data="ext4")` has
the options of `Machine`. `suite` is the release.

When a test fails, journals, files and state of its machines are in artifacts/NAME-OF-THE-TEST.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from machine import Machine, MachineUnavailable
from tests.support.packages import built_package

NewMachine = Callable[..., Machine]

# What their assertions compare is shown as that of tests is.
pytest.register_assert_rewrite("zoo_sight")

_FIXTURES = {"machine", "module_machine", "new_machine"}
_SECONDS = 300
_TREE = Path(__file__).parents[2]
_made = pytest.StashKey[list[Machine]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "suite" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("suite")
        suites = marker.args if marker else ("trixie",)
        metafunc.parametrize("suite", suites, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            if item.get_closest_marker("machine") is None:
                item.add_marker("machine")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture
def new_machine(request: pytest.FixtureRequest) -> Iterator[NewMachine]:
    """Make machines: called as `Machine` is, they are removed after the test."""
    with _maker(request.node) as make:
        yield make


@pytest.fixture
def machine(request: pytest.FixtureRequest, suite: str, new_machine: NewMachine) -> Machine:
    """Give the test a booted machine of its own."""
    return _booted(request.node, suite, new_machine)


@pytest.fixture(scope="module")
def module_machine(request: pytest.FixtureRequest, suite: str) -> Iterator[Machine]:
    """Give all tests of a module one booted machine for each suite."""
    with _maker(request.node) as make:
        yield _booted(request.node, suite, make)


def _booted(node: pytest.Item, suite: str, make: NewMachine) -> Machine:
    marker = node.get_closest_marker("machine")
    made = make(suite, **(marker.kwargs if marker else {}))
    made.boot()
    return made


@contextlib.contextmanager
def _maker(node: pytest.Item) -> Iterator[NewMachine]:
    machines = node.stash.setdefault(_made, [])
    with contextlib.ExitStack() as stack:

        def make(suite: str, **options: Any) -> Machine:
            made = stack.enter_context(Machine(suite, **options))
            stack.callback(machines.remove, made)
            machines.append(made)
            return made

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    with _skipped_where_unavailable():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    with _skipped_where_unavailable():
        return (yield)


@contextlib.contextmanager
def _skipped_where_unavailable() -> Iterator[None]:
    try:
        yield
    except MachineUnavailable as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for node in item.listchain():
            machines = node.stash[_made] if _made in node.stash else []  # noqa: SIM401  # typed
            for number, made in enumerate(machines):
                _save(made, item, report, f"{report.when}-{number}")
    return report


def _save(made: Machine, item: pytest.Item, report: pytest.TestReport, part: str) -> None:
    name = re.sub(r"[^\w.\[\]-]+", "-", item.nodeid.removeprefix("tests/"))
    folder = Path(item.config.rootpath) / "artifacts" / name / part
    made.collect(folder)
    report.sections.append((f"{made.suite} machine", f"artifacts in {folder}"))


@pytest.fixture(scope="session")
def build_deb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build the package for a release, once."""
    return functools.cache(lambda release: built_package(release, tmp_path_factory))
