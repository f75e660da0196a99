"""What `storage prune` asks, and what it does not ask for."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from dockcfgd.cli.verbs import storage
from tests.unit.cli.surroundings import Console

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
