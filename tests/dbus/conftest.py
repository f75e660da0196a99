from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.bus import Bus, Loop
from dockcfgd.adapters.systemd import SystemdBus
from tests.support.clocks import PlainClock
from tests.support.private_bus import FakeSystemd, PrivateBus

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def private_bus() -> Iterator[PrivateBus]:
    with PrivateBus() as private_bus:
        yield private_bus


@pytest.fixture
def fake(private_bus: PrivateBus) -> Iterator[FakeSystemd]:
    with FakeSystemd(private_bus.address) as fake:
        yield fake


@pytest.fixture
def bus(private_bus: PrivateBus) -> Iterator[Bus]:
    bus = Bus(private_bus.address)
    yield bus
    bus.close()


@pytest.fixture
def other(private_bus: PrivateBus) -> Iterator[Bus]:
    """Somebody else's connection."""
    bus = Bus(private_bus.address)
    yield bus
    bus.close()


@pytest.fixture
def clock() -> PlainClock:
    return PlainClock()


@pytest.fixture
def systemd(bus: Bus, clock: PlainClock, fake: FakeSystemd) -> SystemdBus:  # noqa: ARG001 -- it must be up
    return SystemdBus(bus, clock)


@pytest.fixture
def loop() -> Loop:
    return Loop()
