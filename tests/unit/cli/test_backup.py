"""backup: what each of its verbs asks for and prints."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.cli import command_line
from dockcfgd.cli.verbs import backup
from dockcfgd.migration.shelf import list_document, show_document, verify_document
from dockcfgd.model.errors import BusFailure, FileFailure
from tests.unit.cli.surroundings import Console, Daemon, Event, Told, golden, living
from tests.unit.migration.test_live_backup import Bench

IN_SYNC = golden("status", "in-sync")


def run(
    console: Console, *arguments: str, directory: Path | str = "", daemon: Daemon | None = None
) -> int:
    parser = ArgumentParser(allow_abbrev=False)
    backup.add_arguments(parser)
    there = str(directory)
    asked = daemon or Daemon(None, refusal=BusFailure(what="ask", name="none", text="no daemon"))
    return backup.run(
        parser.parse_args(arguments),
        shelf=backup.Shelf(
            lambda given: list_document(given or there),
            lambda given, one: show_document(given or there, one),
            lambda given, one: verify_document(given or there, one),
        ),
        connect=asked.connect,
        read_status=asked.read_status,
        screen=console.screen,
    )


def ended(kind: str, verdict: str, reason: str | None) -> dict[str, Any]:
    task = {
        "transaction": "t1",
        "kind": kind,
        "backup": "b1" if kind == "restore" else "t1",
        "verdict": verdict,
        "reason": reason,
        "started": 1.0,
        "finished": 3.0,
        "steps": [{"name": "save the images", "state": "done", "seconds": 1.5}],
    }
    return living(IN_SYNC, task=task)


def end(kind: str, verdict: str, reason: str | None = None) -> Daemon:
    def last(daemon: Daemon) -> Event:
        daemon.status = ended(kind, verdict, reason)
        return Told("TransactionFinished", ("t1", verdict))

    return Daemon(living(IN_SYNC), script=[last])


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    bench = Bench(tmp_path)
    bench.fill()
    bench.make("first", about={"origin": "operator", "actor": "root", "comment": "why\x1b not"})
    bench.host.clock.advance(3600)
    bench.make("second", "db", about={"origin": "schedule"})
    (bench.folder / "third").mkdir()
    return bench.folder


def test_they_are_listed_newest_first(shelf: Path) -> None:
    console = Console()
    assert run(console, "list", directory=shelf) == 0
    lines = console.out.splitlines()
    assert [line.split()[0] for line in lines] == ["BACKUP", "second", "first", "third"]
    assert lines[2].endswith("an operator: why? not")
    assert "not complete" in lines[3]
    console = Console()
    run(console, "list", "--json", "--directory", str(shelf))
    first = console.document["backups"][0]
    assert {key: first[key] for key in ("id", "engine", "storage", "complete", "origin")} == {
        "id": "second",
        "engine": "26.1.5",
        "storage": "overlay2",
        "complete": True,
        "origin": "schedule",
    }
    assert first["bytes"] > 0
    assert first["created"] > console.document["backups"][1]["created"]


def test_without_any_it_says_how_to_make_one(tmp_path: Path) -> None:
    console = Console()
    assert run(console, "list", directory=tmp_path / "none") == 0
    assert console.out == "there are no backups: dockcfgctl backup create makes one\n"


def test_what_is_in_one(shelf: Path) -> None:
    console = Console()
    assert run(console, "show", "first", directory=shelf) == 0
    text = console.out
    for line in (
        "  web (busybox:latest), running, with what it has written",
        "  reader (busybox:latest), running; not in the backup: /srv",
        "  db (app:1), running, with what it has written",
        "  data, content 2.0 KiB",
        "  net",
    ):
        assert line in text.splitlines()
    console = Console()
    run(console, "show", "second", "--json", directory=shelf)
    document = console.document
    assert document["names"] == ["db"]
    assert [one["name"] for one in document["containers"]] == ["db"]
    assert document["volumes"] == []
    with pytest.raises(FileFailure, match="there is no such backup; there are second, first"):
        run(Console(), "show", "fourth", directory=shelf)


def test_a_damaged_one_fails(shelf: Path) -> None:
    console = Console()
    assert run(console, "verify", "first", directory=shelf) == 0
    assert console.out == "first is whole: every checksum is right\n"
    (shelf / "first" / "images.json").write_text("{}")
    (shelf / "first" / "layers" / "db.tar.zst").unlink()
    console = Console()
    assert run(console, "verify", "first", directory=shelf) == 1
    assert console.out.splitlines()[0] == "first is damaged:"
    assert len(console.out.splitlines()) == 3
    console = Console()
    assert run(console, "verify", "first", "--json", directory=shelf) == 1
    assert (console.document["good"], len(console.document["complaints"])) == (False, 2)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([], {}),
        (["web", "db"], {"names": ["web", "db"]}),
        (
            ["--volumes", "--consistency", "stop", "--comment", "why"],
            {"volumes": True, "consistency": "stop", "comment": "why"},
        ),
        (["--no-volumes"], {"volumes": False}),
    ],
)
def test_what_a_new_one_is_asked_for_with(given: list[str], sent: dict[str, Any]) -> None:
    console, daemon = Console(), end("backup", "applied")
    assert run(console, "create", *given, daemon=daemon) == 0
    assert daemon.calls[-1] == ("CreateBackup", sent)
    assert console.out == "done       1.5 s  save the images\nbackup t1 is complete\n"


@pytest.mark.parametrize(
    ("verdict", "reason", "code", "text"),
    [
        ("applied", None, 0, "restored from b1"),
        ("refused", "it is there", 1, "refused, nothing was touched: it is there"),
        ("degraded", "web: State", 1, "not wholly restored: web: State"),
    ],
)
def test_how_a_restore_ended(verdict: str, reason: str | None, code: int, text: str) -> None:
    console, daemon = Console(), end("restore", verdict, reason)
    assert run(console, "restore", "b1", "web", daemon=daemon) == code
    assert daemon.calls[-1] == ("Restore", "b1", {"names": ["web"]})
    assert console.out.splitlines()[-1] == text
    console, daemon = Console(), end("restore", verdict, reason)
    assert run(console, "restore", "b1", "--json", daemon=daemon) == code
    document = console.document
    assert (document["verdict"], document["reason"], document["backup"]) == (verdict, reason, "b1")


def test_not_followed_where_nobody_waits() -> None:
    console, daemon = Console(), Daemon(living(IN_SYNC))
    assert run(console, "create", "--no-wait", daemon=daemon) == 0
    assert console.out == "asked: t1\n"


class _Pruner(Daemon):
    def call(self, member: str, *arguments: Any, timeout: float) -> Any:
        super().call(member, *arguments, timeout=timeout)
        return '{"schema": 1, "removed": ["b1", "b2"]}'


def test_old_ones_are_removed_when_a_person_agrees() -> None:
    console, daemon = Console("n\n"), _Pruner(None)
    assert run(console, "prune", daemon=daemon) == 1
    assert daemon.calls == []
    assert console.err.startswith("Remove old backups for good?")
    console = Console()
    assert run(console, "prune", "--keep", "1", daemon=daemon) == 0
    assert daemon.calls == [("PruneBackups", {"keep": 1})]
    assert console.out == "removed: b1, b2\n"
    assert run(Console("y\n"), "prune", "b1", daemon=daemon) == 0
    assert daemon.calls[1:] == [("PruneBackups", {"backups": ["b1"]})]


@pytest.mark.parametrize(
    ("given", "manner"),
    [
        (["create"], "quiet"),
        (["verify", "x"], "quiet"),
        (["restore", "x"], "quiet"),
        (["prune"], "quiet"),
        (["list"], "no_pager"),
        (["show", "x"], "no_pager"),
    ],
)
def test_how_each_may_be_told_to_print(given: list[str], manner: str) -> None:
    parser = command_line.parser_of("backup")
    for option in ([], [f"--{manner.replace('_', '-')}"]):
        parsed = vars(parser.parse_args([*given, *option]))
        assert parsed[manner] == bool(option)
        assert {"quiet", "no_pager"} & parsed.keys() == {manner}
