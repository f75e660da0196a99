from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import dbus.bus
import pytest

from dockcfgd.adapters.bus import (
    DISCONNECTED,
    NAME_TAKEN,
    SERVICE_UNKNOWN,
    TIMED_OUT,
    Bus,
    Loop,
    Match,
    Remote,
    Signal,
    typed,
)
from dockcfgd.model.errors import BusFailure
from tests.support.looping import until, while_looping
from tests.support.private_bus import FakeSystemd, PrivateBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.dbus

NAME = "org.dockcfgd1"
MANAGER = Remote(
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
)
DAEMON = Remote("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


def test_results_are_plain_values(bus: Bus, fake: FakeSystemd) -> None:
    path = bus.call(MANAGER, "LoadUnit", "docker.service")
    assert path == "/org/freedesktop/systemd1/unit/docker_2eservice"
    assert bus.call(MANAGER, "Subscribe") is None
    assert bus.property(MANAGER, "SystemState") == "running"
    assert bus.properties(MANAGER)["SystemState"] == "running"
    assert fake.calls("LoadUnit") == [["LoadUnit", "docker.service"]]


def test_a_mute_peer_costs_no_more_than_the_time_limit(bus: Bus, fake: FakeSystemd) -> None:
    fake.rules(mute=["Reload"])
    begin = time.monotonic()
    with pytest.raises(
        BusFailure, match=r"^cannot call Reload of org\.freedesktop\.systemd1: no"
    ) as e:
        bus.call(MANAGER, "Reload", timeout=0.3)
    assert time.monotonic() - begin < 1.5
    assert e.value.name == TIMED_OUT


@pytest.fixture
def control_c() -> Iterator[Callable[[], None]]:
    """Give what presses Ctrl-C in a moment."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    key = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    yield key.start
    key.cancel()
    signal.signal(signal.SIGINT, before)


def test_control_c_ends_the_waiting_for_an_answer(
    bus: Bus, fake: FakeSystemd, control_c: Callable[[], None]
) -> None:
    fake.rules(mute=["Reload"])
    begin = time.monotonic()
    control_c()
    with pytest.raises(KeyboardInterrupt):
        bus.call_patiently(MANAGER, "Reload", typed("()", ()), timeout=20.0)
    assert time.monotonic() - begin < 5
    assert fake.calls("Reload")
    answer = bus.call_patiently(MANAGER, "LoadUnit", typed("(s)", ("docker.service",)), timeout=9.0)
    assert answer.startswith("/")


@pytest.mark.usefixtures("control_c")
def test_control_c_that_falls_into_a_callback_is_not_lost(bus: Bus) -> None:
    with bus.mailbox() as mailbox:
        press = bus.subscribe(Match.owner_of(NAME), lambda _: os.kill(os.getpid(), signal.SIGINT))
        bus.request_name(NAME)
        with pytest.raises(KeyboardInterrupt):
            mailbox.next(timeout=5.0)
        press.cancel()


def test_a_peer_that_does_not_even_say_what_it_is(bus: Bus, fake: FakeSystemd) -> None:
    begin = time.monotonic()
    with fake.frozen(), pytest.raises(BusFailure) as failure:
        bus.call(MANAGER, "Reload", timeout=0.3)
    assert time.monotonic() - begin < 1.5
    assert failure.value.name == TIMED_OUT
    with fake.frozen(), pytest.raises(BusFailure):
        bus.properties(MANAGER, timeout=0.3)
    assert time.monotonic() - begin < 3


def test_an_error_keeps_its_name_and_words(bus: Bus, fake: FakeSystemd) -> None:
    fake.rules(errors={"Reload": "org.example.Strange"})
    with pytest.raises(BusFailure) as failure:
        bus.call(MANAGER, "Reload")
    assert failure.value.name == "org.example.Strange"
    assert failure.value.text == "Reload is refused by a rule"


def test_nobody_behind_the_name(bus: Bus) -> None:
    for ask in (lambda: bus.call(MANAGER, "Reload"), lambda: bus.properties(MANAGER)):
        with pytest.raises(BusFailure) as failure:
            ask()
        assert failure.value.name == SERVICE_UNKNOWN


def test_what_an_object_does_not_have(bus: Bus, fake: FakeSystemd) -> None:
    with pytest.raises(BusFailure, match="no such method"):
        bus.call(MANAGER, "Levitate")
    with pytest.raises(BusFailure, match=r"has no interface org\.example"):
        bus.call(Remote(MANAGER.name, MANAGER.path, "org.example"), "Reload")
    assert fake.calls() == []


def test_no_bus_at_all(tmp_path: Path) -> None:
    with pytest.raises(BusFailure, match=r"^cannot connect to the bus: "):
        Bus(f"unix:path={tmp_path}/nothing")


def test_the_system_bus_is_the_default(private_bus: PrivateBus, bus: Bus) -> None:
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = private_bus.address
    try:
        own = Bus()
    finally:
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    own.request_name(NAME)
    assert bus.call(DAEMON, "NameHasOwner", NAME)
    own.close()


def test_a_name_that_another_has(bus: Bus, other: Bus) -> None:
    bus.request_name(NAME)
    bus.request_name(NAME)
    with pytest.raises(BusFailure, match=r"^cannot own the bus name org\.dockcfgd1") as failure:
        other.request_name(NAME)
    assert failure.value.name == NAME_TAKEN


def test_a_name_cannot_be_taken_over(bus: Bus, private_bus: PrivateBus) -> None:
    bus.request_name(NAME)
    robber = dbus.bus.BusConnection(private_bus.address)
    wish = dbus.bus.NAME_FLAG_REPLACE_EXISTING | dbus.bus.NAME_FLAG_DO_NOT_QUEUE
    assert robber.request_name(NAME, wish) == dbus.bus.REQUEST_NAME_REPLY_EXISTS
    robber.close()


def test_a_name_is_free_again_when_its_owner_is_gone(bus: Bus, other: Bus) -> None:
    bus.request_name(NAME)
    bus.close()
    bus.close()
    assert bus.closed
    other.request_name(NAME)


def test_a_policy_that_forbids_the_name() -> None:
    policy = """<policy context="default"><allow user="*"/><allow send_type="method_call"/>
        <allow send_requested_reply="true" send_type="method_return"/>
        <allow send_requested_reply="true" send_type="error"/>
        <allow receive_type="method_return"/><allow receive_type="error"/></policy>"""
    with PrivateBus(policy=policy) as strict:
        bus = Bus(strict.address)
        with pytest.raises(BusFailure) as failure:
            bus.request_name(NAME)
        assert failure.value.name == "org.freedesktop.DBus.Error.AccessDenied"
        bus.close()


def test_losing_the_bus_is_told_and_does_not_end_the_process(
    private_bus: PrivateBus, loop: Loop
) -> None:
    bus = Bus(private_bus.address)
    reasons: list[str] = []
    bus.on_closed(reasons.append)
    bus.on_closed(lambda _: loop.quit())
    loop.call_soon(private_bus.stop)
    loop.run()
    assert len(reasons) == 1
    assert bus.closed
    with pytest.raises(BusFailure) as failure:
        bus.call(DAEMON, "ListNames")
    assert failure.value.name == DISCONNECTED
    bus.close()


def test_losing_the_bus_in_the_middle_of_a_call(
    private_bus: PrivateBus, bus: Bus, fake: FakeSystemd, loop: Loop
) -> None:
    fake.rules(mute=["Reload"])
    loop.call_later(0.3, private_bus.stop)

    def work() -> None:
        with pytest.raises(BusFailure) as failure:
            bus.call(MANAGER, "Reload")
        assert failure.value.name == DISCONNECTED

    while_looping(loop, work)


def test_whose_process_a_caller_is(bus: Bus, other: Bus, loop: Loop) -> None:
    answers: list[int | None] = []

    def answer(uid: int | None) -> None:
        answers.append(uid)
        if len(answers) == 2:
            loop.quit()

    names = bus.call(DAEMON, "ListNames")
    other.request_name(NAME)
    owner = bus.call(DAEMON, "GetNameOwner", NAME)
    assert owner in names
    bus.sender_uid(owner, answer)
    bus.sender_uid(":1.9999", answer)
    loop.run()
    assert answers == [os.getuid(), None]


def test_watching_a_name(bus: Bus, other: Bus, loop: Loop) -> None:
    owners: list[str] = []

    def changed(owner: str) -> None:
        owners.append(owner)
        if len(owners) == 1:
            other.request_name(NAME)
        elif len(owners) == 2:
            other.close()
        else:
            loop.quit()

    watch = bus.watch_name(NAME, changed)
    loop.run()
    watch.cancel()
    watch.cancel()
    assert [bool(owner) for owner in owners] == [False, True, False]


def test_signals_come_to_the_loop_until_they_are_cancelled(
    bus: Bus, other: Bus, loop: Loop
) -> None:
    signals: list[Signal] = []
    subscription = bus.subscribe(Match.owner_of(NAME), signals.append)

    def work() -> None:
        other.request_name(NAME)
        until(lambda: signals)
        subscription.cancel()
        other.close()
        # A later answer on the same connection shows that the signal would have been here.
        until(lambda: not bus.call(DAEMON, "NameHasOwner", NAME))

    while_looping(loop, work)
    assert [told.member for told in signals] == ["NameOwnerChanged"]
    assert signals[0].arguments[:2] == (NAME, "")


def test_a_mailbox_has_what_came_before_an_answer(bus: Bus) -> None:
    with bus.mailbox(Match.owner_of(NAME)) as mailbox:
        assert mailbox.next(timeout=0) is None
        bus.request_name(NAME)
        told = mailbox.next(timeout=0)
        assert told is not None
        assert told.arguments[0] == NAME
        assert mailbox.next(timeout=0.1) is None


def test_a_mailbox_waits_for_what_is_wanted(bus: Bus, other: Bus, loop: Loop) -> None:
    names = [f"{NAME}.n{number}" for number in range(5)]

    def request() -> None:
        for name in names:
            other.request_name(name)

    loop.call_later(0.2, request)

    def work() -> Signal | None:
        matches = [Match.owner_of(name) for name in names]
        with bus.mailbox(*matches) as mailbox:
            found = mailbox.until(lambda told: told.arguments[0] == names[3], timeout=5)
            assert mailbox.until(lambda told: told.arguments[0] == names[1], timeout=0.2) is None
            return found

    found = while_looping(loop, work)
    assert found is not None
    assert found.arguments[0] == names[3]


def test_a_mailbox_ends_with_the_bus(bus: Bus, private_bus: PrivateBus) -> None:
    with bus.mailbox(Match.owner_of(NAME)) as mailbox:
        private_bus.stop()
        begin = time.monotonic()
        with pytest.raises(BusFailure) as failure:
            mailbox.next(timeout=30)
        assert failure.value.name == DISCONNECTED
        assert time.monotonic() - begin < 2
