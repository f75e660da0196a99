"""Containers are started and stopped many at a time: while they are down nobody is served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dockcfgd.migration.capture import stop_active
from dockcfgd.migration.presence import start_again, start_wave
from tests.fakes.host import FakeHost

_NAMES = ["one", "two"]


def _unheard(**_: Any) -> None:
    pass


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    for name in _NAMES:
        host.run(name)
    return host


def _meeting(act: Callable[[str], None]) -> Callable[[str], None]:
    """Give what acts on no container before it is to act on another one as well."""
    both = threading.Barrier(len(_NAMES))

    def meet(container: str) -> None:
        both.wait(20)
        act(container)

    return meet


def test_two_are_started_at_the_same_time(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [host.containers.inspect(name) for name in _NAMES]
    for name in _NAMES:
        host.containers.stop(name)
    monkeypatch.setattr(host.containers, "start", _meeting(host.containers.start))
    states = {str(one["Id"]): "running" for one in documents}
    assert start_again(host.containers, documents, states) == set()
    assert host.names(running=True) == _NAMES


def test_what_was_refused_among_others_is_started_by_itself(host: FakeHost) -> None:
    states = {host.container(name).id: "running" for name in _NAMES}
    for name in _NAMES:
        host.containers.stop(name)
    said = ["it is busy"] * len(_NAMES)
    host.dockerd.container_refusals.append(lambda _: said.pop() if said else None)
    assert start_wave(host.containers, states) == {}
    assert host.names(running=True) == _NAMES


def test_two_are_stopped_at_the_same_time(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    active = [host.containers.inspect(name) for name in _NAMES]
    monkeypatch.setattr(host.containers, "stop", _meeting(host.containers.stop))
    stop_active(host.effects.access, active, _unheard)
    assert host.names(running=True) == []
