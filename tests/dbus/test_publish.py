from __future__ import annotations

import gc
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dbus
import dbus.bus
import pytest
from gi.repository import GLib

from dockcfgd.adapters.bus import (
    OWNER_CHANGED,
    TIMED_OUT,
    Bus,
    Client,
    Invocation,
    Loop,
    Match,
    Publication,
    Remote,
)
from dockcfgd.model.errors import BusFailure
from tests.support.looping import while_looping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.private_bus import PrivateBus

pytestmark = pytest.mark.dbus

NAME = "org.dockcfgd1"
PATH = "/org/dockcfgd1"
REMOTE = Remote(NAME, PATH, "org.dockcfgd1.Trial")
XML = """
<node>
  <interface name="org.dockcfgd1.Trial">
    <method name="Echo">
      <arg name="files" type="a(ss)" direction="in"/>
      <arg name="options" type="a{sv}" direction="in"/>
      <arg name="text" type="s" direction="out"/>
    </method>
    <method name="Nothing"/>
    <method name="Two"><arg type="u" direction="out"/><arg type="s" direction="out"/></method>
    <method name="Later"><arg type="s" direction="out"/></method>
    <method name="Who"><arg type="s" direction="out"/></method>
    <method name="Fail"/>
    <method name="Refuse"><arg name="files" type="a(ss)" direction="in"/></method>
    <method name="Break"/>
    <signal name="Finished"><arg type="s"/><arg type="u"/></signal>
    <property name="Phase" type="s" access="read"/>
    <property name="Generation" type="u" access="read"/>
  </interface>
</node>
"""


class Trial:
    """A published object; calls of Later wait in `waiting`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.values: dict[str, Any] = {"Phase": "idle", "Generation": 7}
        self.handled: list[str] = []
        self.waiting: list[Invocation] = []
        self.called = threading.Event()
        self.publication: Publication = bus.publish(
            PATH, XML, handle=self.handle, read=lambda: self.values
        )

    def handle(self, call: Invocation) -> None:
        self.handled.append(call.method)
        match call.method:
            case "Echo":
                call.reply(f"{call.arguments!r} {call.sender[0]}")
            case "Nothing":
                call.reply()
                call.reply()
                call.fail("org.dockcfgd1.Error.TooLate", "answered twice")
            case "Two":
                call.reply(4, "four")
            case "Fail" | "Refuse":
                call.fail("org.dockcfgd1.Error.Busy", "cannot do that: busy")
            case "Who":
                self._bus.sender_uid(call.sender, lambda uid: call.reply(str(uid)))
            case "Later":
                self.waiting.append(call)
                self.called.set()
            case _:
                raise ArithmeticError("out of numbers")


@pytest.fixture
def trial(bus: Bus) -> Iterator[Trial]:
    trial = Trial(bus)
    bus.request_name(NAME)
    yield trial
    trial.publication.unpublish()
    trial.publication.unpublish()


def test_calls_and_answers(trial: Trial, other: Bus, loop: Loop) -> None:
    client = Client(other, REMOTE, XML)

    def work() -> tuple[Any, ...]:
        files = [("a.toml", "schema = 1\n")]
        options = {"comment": "why", "wait": True, "seconds": 3, "factor": 0.5}
        return (client.call("Echo", files, options), client.call("Nothing"), client.call("Two"))

    echo, nothing, two = while_looping(loop, work)
    assert echo == (
        "([('a.toml', 'schema = 1\\n')],"
        " {'comment': 'why', 'wait': True, 'seconds': 3, 'factor': 0.5}) :"
    )
    assert nothing is None
    assert two == (4, "four")
    assert trial.handled == ["Echo", "Nothing", "Two"]


def test_a_service_that_stands_still_costs_no_more_than_the_time_limit(
    trial: Trial, other: Bus
) -> None:
    begin = time.monotonic()
    with pytest.raises(BusFailure) as failure:
        other.call(REMOTE, "Nothing", timeout=0.3)
    assert failure.value.name == TIMED_OUT
    assert time.monotonic() - begin < 2
    assert trial.handled == []


def test_errors_have_their_own_names(trial: Trial, other: Bus, loop: Loop) -> None:
    def work() -> BusFailure:
        with pytest.raises(BusFailure) as failure:
            other.call(REMOTE, "Fail")
        return failure.value

    failure = while_looping(loop, work)
    assert failure.name == "org.dockcfgd1.Error.Busy"
    assert failure.text == "cannot do that: busy"
    assert trial.handled == ["Fail"]


def test_a_handler_that_breaks_answers_and_breaks_nothing_else(
    trial: Trial, other: Bus, loop: Loop, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> BusFailure:
        with pytest.raises(BusFailure) as failure:
            other.call(REMOTE, "Break", timeout=5)
        other.call(REMOTE, "Nothing")
        return failure.value

    failure = while_looping(loop, work)
    assert failure.text == "cannot answer Break: out of numbers"
    assert trial.handled == ["Break", "Nothing"]
    assert "ArithmeticError" in capfd.readouterr().err


def test_wrong_arguments_do_not_reach_the_handler(
    trial: Trial, private_bus: PrivateBus, loop: Loop
) -> None:
    def work() -> str:
        stranger = dbus.bus.BusConnection(private_bus.address)
        with pytest.raises(dbus.DBusException) as failure:
            stranger.call_blocking(NAME, PATH, REMOTE.interface, "Nothing", "s", ["x"])
        stranger.close()
        return str(failure.value.get_dbus_name())

    assert while_looping(loop, work) == "org.freedesktop.DBus.Error.InvalidArgs"
    assert trial.handled == []


def empty_files(count: int) -> GLib.Variant:
    """Give the argument `a(ss)` with so many pairs of nothing, without making each in Python."""
    ends = b"".join(number.to_bytes(4, "little") for number in range(3, 3 * count + 1, 3))
    content = GLib.Bytes.new(b"\0\0\1" * count + ends)
    return GLib.Variant.new_from_bytes(GLib.VariantType("(a(ss))"), content, trusted=False)


def test_arguments_that_nobody_looks_at_hold_nobody_up(
    trial: Trial, other: Bus, loop: Loop
) -> None:
    turns: list[float] = []
    timer = loop.call_every(0.02, lambda: turns.append(time.monotonic()))

    def work() -> BusFailure:
        with pytest.raises(BusFailure) as failure:
            other.call_patiently(REMOTE, "Refuse", empty_files(150_000), timeout=20)
        return failure.value

    failure = while_looping(loop, work)
    timer.cancel()
    assert trial.handled == ["Refuse"]
    assert failure.name == "org.dockcfgd1.Error.Busy"
    assert max(later - turn for turn, later in pairwise(turns)) < 0.5


def test_an_answer_from_another_thread_while_others_are_served(
    trial: Trial, other: Bus, loop: Loop
) -> None:
    def answer() -> None:
        trial.called.wait()
        other.call(REMOTE, "Nothing")
        trial.waiting[0].reply("at last")

    def work() -> Any:
        thread = threading.Thread(target=answer)
        thread.start()
        said = other.call(REMOTE, "Later")
        thread.join()
        return said

    assert while_looping(loop, work) == "at last"
    assert trial.handled == ["Later", "Nothing"]


def test_an_answer_from_another_thread_does_not_wait_for_a_busy_loop(
    trial: Trial, other: Bus, loop: Loop
) -> None:
    busy = threading.Event()
    free = threading.Event()

    def block() -> None:
        busy.set()
        assert free.wait(10)

    def answer() -> None:
        trial.called.wait()
        loop.call_soon(block)
        busy.wait()
        trial.waiting[0].reply("meanwhile")

    def work() -> Any:
        thread = threading.Thread(target=answer)
        thread.start()
        said = other.call(REMOTE, "Later", timeout=8)
        assert not free.is_set()
        free.set()
        thread.join()
        return said

    assert while_looping(loop, work) == "meanwhile"


def test_properties(trial: Trial, other: Bus, loop: Loop) -> None:
    def work() -> tuple[Any, ...]:
        return (
            other.properties(REMOTE),
            other.property(REMOTE, "Generation"),
            Client(other, REMOTE, XML).properties(),
        )

    everything, generation, again = while_looping(loop, work)
    assert everything == again == trial.values
    assert generation == 7
    assert trial.handled == []


def test_a_property_that_is_not_there(trial: Trial, other: Bus, loop: Loop) -> None:
    def work() -> str:
        with pytest.raises(BusFailure) as failure:
            other.property(REMOTE, "Colour")
        return failure.value.name

    assert while_looping(loop, work) == "org.freedesktop.DBus.Error.InvalidArgs"
    assert trial.handled == []


def test_a_property_cannot_be_set(trial: Trial, private_bus: PrivateBus, loop: Loop) -> None:
    def work() -> str:
        stranger = dbus.bus.BusConnection(private_bus.address)
        wish = (REMOTE.interface, "Phase", "paused")
        with pytest.raises(dbus.DBusException) as failure:
            stranger.call_blocking(NAME, PATH, dbus.PROPERTIES_IFACE, "Set", "ssv", wish)
        stranger.close()
        return str(failure.value.get_dbus_name())

    assert while_looping(loop, work) == "org.freedesktop.DBus.Error.InvalidArgs"
    assert trial.values["Phase"] == "idle"


def test_changed_properties_are_told(trial: Trial, other: Bus) -> None:
    changed = Match(NAME, dbus.PROPERTIES_IFACE, "PropertiesChanged", PATH)
    with other.mailbox(changed) as mailbox:
        trial.publication.changed({"Phase": "applying", "Generation": 8})
        told = mailbox.next(timeout=5)
    assert told is not None
    assert told.arguments == (REMOTE.interface, {"Phase": "applying", "Generation": 8}, [])


def test_a_client_waits_for_the_signal_that_ends_its_request(trial: Trial, other: Bus) -> None:
    with Client(other, REMOTE, XML).listen("Finished") as mailbox:
        for number in range(5):
            trial.publication.emit("Finished", f"t{number}", number)
        found = mailbox.until(lambda signal: signal.arguments[0] == "t3", timeout=5)
    assert found is not None
    assert (found.path, found.member, found.arguments) == (PATH, "Finished", ("t3", 3))


def test_a_client_hears_that_the_service_is_gone(trial: Trial, other: Bus, bus: Bus) -> None:
    with Client(other, REMOTE, XML).listen("Finished") as mailbox:
        bus.close()
        told = mailbox.next(timeout=5)
    assert told is not None
    assert told.member == OWNER_CHANGED
    assert told.arguments[2] == ""
    assert trial.handled == []


def test_what_is_unpublished_is_gone(trial: Trial, other: Bus, loop: Loop) -> None:
    trial.publication.unpublish()

    def work() -> str:
        with pytest.raises(BusFailure) as failure:
            other.properties(REMOTE)
        return failure.value.name

    assert while_looping(loop, work).startswith("org.freedesktop.DBus.Error.Unknown")


def test_a_caller_is_known_by_its_user(trial: Trial, other: Bus, loop: Loop) -> None:
    assert while_looping(loop, lambda: other.call(REMOTE, "Who")) == str(os.getuid())
    assert trial.handled == ["Who"]


def resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def test_served_calls_leave_nothing_behind(trial: Trial, other: Bus, loop: Loop) -> None:
    payload = [("big.toml", "x" * 20_000)]

    def work() -> int:
        def serve(calls: int) -> None:
            for _ in range(calls):
                other.call(REMOTE, "Echo", payload, {})
            gc.collect()

        serve(300)
        before = resident()
        serve(1000)
        return resident() - before

    begin = time.monotonic()
    grown = while_looping(loop, work)
    assert grown < 10_000_000, f"{grown} bytes for 1000 calls of 20 kB"
    assert time.monotonic() - begin < 30
    assert len(trial.handled) == 1300
