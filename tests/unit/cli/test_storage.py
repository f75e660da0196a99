"""What `storage rollback` and `prune` tell and ask, and what they do not ask for."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from dockcfgd.cli.storage_text import going_back, storage_text
from dockcfgd.cli.verbs import storage
from dockcfgd.model.errors import StateFileFailure
from tests.unit.cli.surroundings import Console, Daemon

_SINCE = ("created", "removed", "written", "changed", "untold", "images", "ending")
_PRUNE = Namespace(what="prune", yes=False, json=False, no_wait=False)


def _left(path: str, why_not: str | None = None) -> dict[str, Any]:
    return {
        "path": path, "moved_to": "/srv/new", "transaction": "t0", "at": 1.0, "bytes": 4096,
        "measured": True, "freeing": False, "why_not": why_not,
    }  # fmt: skip


def _asked(*roots: dict[str, Any], answers: str = "n\n") -> Console:
    console = Console(answers, terminal=True)
    document: dict[str, Any] = {
        "driver": "vfs",
        "kept": None,
        "left": [],
        "hazards": [],
        "left_roots": roots,
    }

    def connect() -> Any:
        pytest.fail("it was asked for")

    code = storage.run(
        _PRUNE,
        look=lambda: document,
        connect=connect,
        read_status=lambda: None,
        screen=console.screen,
    )
    assert code == 1
    return console


def test_places_that_were_left_are_named_and_asked_about() -> None:
    said = _asked(_left("/srv/old"), _left("/srv/busy", "it is the data-root in use"))
    assert "4.0 KiB in /srv/old, data-root until" in said.out
    assert "/srv/busy stays: it is the data-root in use." in said.out
    assert "Delete it?" in said.out + said.err
    assert "nothing was changed" in said.out + said.err


def test_nothing_is_asked_where_all_of_them_stay() -> None:
    said = _asked(_left("/srv/busy", "it is the data-root in use"))
    assert "Delete it?" not in said.out + said.err
    assert "nothing can be freed: /srv/busy stays" in said.out + said.err


def _kept(**since: list[str]) -> dict[str, Any]:
    told = {key: list[str]() for key in _SINCE} | since
    kept = {"driver": "overlay2", "since": 1.0, "can_go_back": True, "why_not": None}
    hazard = {"what": "docker volume prune would remove data", "why": "nobody has it"}
    return {
        "driver": "vfs", "kept": kept | {"since_then": told}, "left": [], "left_roots": [],
        "hazards": [hazard],
    }  # fmt: skip


def _gone_back(
    console: Console, document: dict[str, Any], *, yes: bool = False, json: bool = False
) -> list[tuple[Any, ...]]:
    daemon = Daemon(status=None)
    arguments = Namespace(
        what="rollback", yes=yes, json=json, no_wait=True, backup=True, comment=""
    )

    def look() -> dict[str, Any]:
        if not document:
            raise StateFileFailure("cannot read it: only root may")
        return document

    code = storage.run(
        arguments,
        look=look,
        connect=daemon.connect,
        read_status=daemon.read_status,
        screen=console.screen,
    )
    assert code == (0 if daemon.calls else 1)
    return daemon.calls


@pytest.mark.parametrize("kind", _SINCE)
def test_going_back_names_everything_that_came_since(kind: str) -> None:
    document = _kept(**{kind: ["one", "two"]})
    assert "one, two" in "\n".join(going_back(document))
    assert "one, two" in storage_text(
        document
        | {
            "kept": {
                "successor": "vfs", "transaction": "t", "generation": 1, "containers": [],
                "disposable": [], "ran": [], "images": 1, "backup": None, "freeing": False,
                "superseded": [], "bytes": 1, "measured": True, "at_most": False, "paths": [],
            } | document["kept"]
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("console", "given"),
    [
        (Console("y\n", terminal=True), {}),
        (Console("", terminal=True), {"yes": True}),
        (Console(), {}),
        (Console(), {"yes": True}),
    ],
)
def test_what_came_since_is_named_whoever_asks(console: Console, given: dict[str, bool]) -> None:
    assert _gone_back(console, _kept(created=["new"], changed=["web"]), **given)
    assert "new" in console.out
    assert "web" in console.out
    assert "Beware: docker volume prune" in console.out


def test_with_a_document_names_go_beside_it() -> None:
    console = Console()
    assert _gone_back(console, _kept(created=["new"]), json=True)
    assert console.document["transaction"] == "t1"
    assert "containers created: new" in console.err


def test_where_nothing_leads_back_the_daemon_says_so() -> None:
    console = Console()
    document = _kept(created=["new"])
    document["kept"] |= {"can_go_back": False, "why_not": "the engine is on btrfs"}
    assert _gone_back(console, document)
    assert "new" not in console.out + console.err


def test_who_may_not_read_it_is_told_that_nothing_can_be_named() -> None:
    console = Console()
    assert _gone_back(console, {})
    assert "cannot be told: cannot read it: only root may" in console.out
