"""The hosts that one contract is held by: simulated ones, and real machines where they boot."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from machine import MachineUnavailable
from tests.contract.hosts import FakeRig, Host, machine_rig

_FAKES = {"fake-20.10": "20.10.24+dfsg1", "fake-26.1": "26.1.5+dfsg1", "fake-28.5": "28.5.2+dfsg4"}
_SUITES = ("bookworm", "trixie", "forky")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on all releases, or on those of the `suite` marker; `DOCKCFGD_PROOF` set: on all."""
    if "any_host" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("suite")
    suites = marker.args if marker and not os.environ.get("DOCKCFGD_PROOF") else _SUITES
    marks = (pytest.mark.machine, pytest.mark.timeout(300))
    real = [pytest.param(suite, marks=marks) for suite in suites]
    metafunc.parametrize("any_host", [*_FAKES, *real], scope="module", indirect=True)


@pytest.fixture(scope="module")
def any_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Give one host of each kind for a module's tests."""
    version = _FAKES.get(request.param)
    if version is not None:
        yield FakeRig(version)
        return
    try:
        with machine_rig(request.param) as rig:
            yield rig
    except MachineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def host(any_host: Host) -> Host:
    """Give the host as after installation, with an image and no container."""
    any_host.reset()
    return any_host
