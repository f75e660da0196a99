"""monitor: one event a line; and what of an answer goes to a pager."""

from __future__ import annotations

import json
import stat
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.pager import show
from dockcfgd.cli.verbs import monitor
from dockcfgd.model.errors import BusFailure
from tests.unit.cli.surroundings import Console, Daemon, Event, Told, golden, living

if TYPE_CHECKING:
    from pathlib import Path

import pytest

IN_SYNC = living(golden("status", "in-sync"))
_ROLLED_BACK = living(golden("status", "rejected-rolled-back"))
REJECTED = {**_ROLLED_BACK, "last": {**_ROLLED_BACK["last"], "transaction": "t7"}}
_GONE = BusFailure(what="wait for a signal", name="x", text="the bus connection was lost")


def told(document: dict[str, Any]) -> Event:
    return Told("StatusChanged", (json.dumps(document),))


SCRIPT: list[Event] = [
    told(IN_SYNC),  # nothing new
    told({**REJECTED, "phase": "applying", "last": {**REJECTED["last"], "verdict": None}}),
    None,
    Told("Progress", ("save", "web", 1, 4, "containers")),
    told(REJECTED),
    Told("TransactionFinished", ("t7", "rolled-back")),
    Told("NameOwnerChanged", ("org.dockcfgd1", ":1.1", "")),
    Told("NameOwnerChanged", ("org.dockcfgd1", "", ":1.2")),
    _GONE,
]


def heard(*arguments: str) -> Console:
    console = Console()
    daemon = Daemon(IN_SYNC, script=[lambda _, event=event: event for event in SCRIPT])  # type: ignore[misc]
    parser = ArgumentParser()
    monitor.add_arguments(parser)
    with pytest.raises(BusFailure):
        monitor.run(
            parser.parse_args(arguments),
            connect=daemon.connect,
            read_status=daemon.read_status,
            screen=console.screen,
        )
    return console


def test_one_line_an_event() -> None:
    lines = [line.split("  ", 1)[1] for line in heard().out.splitlines()]
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) == len(REJECTED["last"]["steps"])
    assert [line for line in lines if not line.startswith("step ")] == [
        "status    in-sync: generation 3 is in force",
        lines[1],
        "progress  save: 1 of 4 containers (25 %), web",
        lines[-3],
        "finished  t7: rolled-back",
        "stopped   dockcfgd is gone",
    ]
    assert lines[1].startswith("status    applying: generation 4")
    assert lines[-3].startswith("status    rejected: ")


def test_one_document_a_line() -> None:
    documents = [json.loads(line) for line in heard("--json").out.splitlines()]
    assert {one["schema"] for one in documents} == {1}
    kinds = [one["event"] for one in documents]
    assert [kind for kind in kinds if kind != "step"] == [
        "status", "status", "status", "progress", "status", "finished", "stopped"
    ]  # fmt: skip
    assert documents[0]["status"] == IN_SYNC
    assert documents[-2]["verdict"] == "rolled-back"
    steps = [one for one in documents if one["event"] == "step"]
    assert [one["name"] for one in steps] == [one["name"] for one in REJECTED["last"]["steps"]]


def program(folder: Path, text: str) -> str:
    path = folder / "pager"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_pager_gets_the_text_and_no_shell(tmp_path: Path) -> None:
    pager = program(tmp_path, f'cat >{tmp_path}/got; echo "$1 $LESS $LESSSECURE" >>{tmp_path}/got')
    environment = {"PAGER": f"{pager} -x", "PATH": "/usr/bin:/bin", "LESSSECURE": "0"}
    assert show(b"one\n", environment=environment)
    assert (tmp_path / "got").read_text() == "one\n-x FRX 1\n"


def test_a_pager_that_ends_early_is_none_that_fails(tmp_path: Path) -> None:
    assert show(b"x" * 1_000_000, environment={"PAGER": program(tmp_path, "exit 0")})


@pytest.mark.parametrize("pager", ["", "cat", "/no/such/pager", "sh -c 'no-such-pager'", "'"])
def test_without_a_pager_the_text_is_still_to_be_printed(pager: str) -> None:
    assert not show(b"one\n", environment={"PAGER": pager, "PATH": "/usr/bin:/bin"})
