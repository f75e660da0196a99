from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import pytest

from dockcfgd.cli.verbs import wait
from dockcfgd.model.errors import BusFailure
from tests.unit.cli.surroundings import Console, Daemon, Event, golden, living, nothing_comes

IN_SYNC = golden("status", "in-sync")
REJECTED = golden("status", "rejected-rolled-back")
LOST = BusFailure(what="wait", name="org.freedesktop.DBus.Error.Disconnected", text="lost")


def run(
    console: Console, daemon: Daemon, *given: str, history: list[dict[str, Any]] | None = None
) -> int:
    parser = ArgumentParser()
    wait.add_arguments(parser)
    return wait.run(
        parser.parse_args(given),
        connect=daemon.connect,
        read_status=daemon.read_status,
        read_history=lambda: history or [],
        screen=console.screen,
    )


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("in-sync", 0),
        ("unmanaged", 0),
        ("rejected-refused", 1),
        ("degraded", 1),
        ("drifted", 4),
        ("pending-engine-stopped", 4),
    ],
)
def test_a_verdict_that_is_there_ends_it_at_once(case: str, code: int) -> None:
    console, daemon = Console(), Daemon(living(golden("status", case)))
    assert run(console, daemon) == code
    assert daemon.calls == []
    assert console.out.startswith(f"{golden('status', case)['condition']}: ")
    assert console.out.count("\n") == 1


@pytest.mark.parametrize("busy", ["applying", "verifying", "rolling-back", "planning"])
def test_it_waits_while_something_is_under_way(busy: str) -> None:
    def end(daemon: Daemon) -> Event:
        daemon.status = living(IN_SYNC)
        return None

    daemon = Daemon(living(IN_SYNC, phase=busy), script=[nothing_comes, end])
    assert run(Console(), daemon) == 0
    assert daemon.script == []


def test_it_waits_for_files_that_were_not_looked_at_yet() -> None:
    def looked(daemon: Daemon) -> Event:
        daemon.status = living(REJECTED)
        return None

    unseen = living(IN_SYNC)
    unseen["desired"]["folders"][0]["mtime_ns"] = 1
    assert run(Console(), Daemon(unseen, script=[nothing_comes, looked])) == 1


def test_time_runs_out() -> None:
    console = Console()
    held = living(golden("status", "pending-held"))
    daemon = Daemon(held, script=[nothing_comes] * 100_000)
    assert run(console, daemon, "--timeout", "50ms") == 124
    assert console.out.startswith("pending: restart is more than policy.max-impact")
    assert console.err == "dockcfgctl: no verdict within 0.05 s\n"


@pytest.mark.parametrize("document", [None, {**IN_SYNC, "daemon": None}])
def test_without_a_daemon_it_does_not_wait(document: dict[str, Any] | None) -> None:
    assert run(Console(), Daemon(document)) == 3


def test_a_daemon_that_restarts_meanwhile_is_waited_for() -> None:
    def gone(daemon: Daemon) -> Event:
        daemon.status = {**IN_SYNC, "daemon": None}
        return None

    def back(daemon: Daemon) -> Event:
        daemon.status = living(IN_SYNC)
        return None

    daemon = Daemon(living(IN_SYNC, phase="applying"), script=[gone, nothing_comes, back])
    assert run(Console(), daemon) == 0


def test_without_signals_the_file_will_do() -> None:
    def end(daemon: Daemon) -> Event:
        daemon.status = living(IN_SYNC)
        return LOST

    assert run(Console(), Daemon(living(IN_SYNC, phase="applying"), script=[end])) == 0


@pytest.mark.parametrize(
    ("number", "document", "verdicts", "code"),
    [
        (3, IN_SYNC, {}, 0),
        (4, REJECTED, {}, 1),
        (3, REJECTED, {}, 0),
        (2, IN_SYNC, {2: "applied"}, 0),
        (2, IN_SYNC, {2: "rolled-back"}, 1),
        (2, IN_SYNC, {}, 1),
    ],
)
def test_a_generation_has_its_own_verdict(
    number: int, document: dict[str, Any], verdicts: dict[int, str], code: int
) -> None:
    history = [{"generation": key, "verdict": verdict} for key, verdict in verdicts.items()]
    daemon = Daemon(living(document))
    given = ("--generation", str(number), "--quiet")
    console = Console()
    assert run(console, daemon, *given, history=history) == code
    assert (console.out, console.err) == ("", "")


def test_a_generation_that_was_applied_stays_so_after_one_without_a_change() -> None:
    document = living(IN_SYNC, applied={"generation": 4, "at": 0.0})
    assert document["last"]["generation"] == 3
    assert run(Console(), Daemon(document), "--generation", "3") == 0


def test_a_generation_that_awaits_confirmation_is_there() -> None:
    under_way = {**REJECTED["last"], "verdict": None}
    document = living(REJECTED, phase="awaiting-confirmation", last=under_way)
    assert run(Console(), Daemon(document)) == 0
    assert run(Console(), Daemon(document), "--generation", "4") == 0


def test_files_refused_while_a_change_awaits_confirmation_are_no_success() -> None:
    error = {"file": "/a.toml", "line": 3, "key": "x", "message": "no such key", "hint": None}
    document = living(IN_SYNC, phase="awaiting-confirmation")
    document["desired"] = {**document["desired"], "errors": [error]}
    console = Console()
    assert run(console, Daemon(document)) == 1
    assert console.out.startswith("awaiting-confirmation: ")
    assert console.err == "dockcfgctl: refused: /a.toml:3: x: no such key\n"
    assert run(Console(), Daemon(document), "--generation", "3") == 0


def test_a_generation_to_come_is_waited_for() -> None:
    def comes(daemon: Daemon) -> Event:
        daemon.status = living({**REJECTED, "last": {**REJECTED["last"], "verdict": None}})
        return None

    def ends(daemon: Daemon) -> Event:
        daemon.status = living(REJECTED)
        return None

    daemon = Daemon(living(IN_SYNC), script=[nothing_comes, comes, ends])
    assert run(Console(), daemon, "--generation", "4") == 1
    assert daemon.script == []
