"""confirm, cancel, pause and resume, and following a change that waits for a word."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.cli import published
from dockcfgd.cli.text import render
from dockcfgd.cli.verbs import apply, cancel, confirm, pause, resume
from dockcfgd.model.errors import BusFailure
from tests.unit.cli.surroundings import Console, Daemon, Event, Previews, golden, living

if TYPE_CHECKING:
    from types import ModuleType

_WAITING = {
    **golden("status", "in-sync"),
    "phase": "awaiting-confirmation",
    "condition": "pending",
    "reason": "t1 is proven and goes back unless `dockcfgctl confirm` comes",
    "confirm": {"deadline": 1_780_000_000.0},
    "next": "`dockcfgctl confirm` keeps it",
}


@pytest.mark.parametrize(
    ("verb", "arguments", "call", "said"),
    [
        (confirm, (), ("Confirm", ""), "confirmed: the change stays"),
        (confirm, ("t1",), ("Confirm", "t1"), "confirmed: the change stays"),
        (cancel, (), ("Cancel", ""), "cancelled: the previous state comes back"),
        (pause, ("by hand",), ("Pause", "by hand"), "paused: nothing is done by itself"),
        (resume, (), ("Resume",), "resumed"),
    ],
)
def test_a_word_is_passed_on(
    verb: ModuleType, arguments: tuple[str, ...], call: tuple[str, ...], said: str
) -> None:
    daemon, console = Daemon(None), Console()
    parser = ArgumentParser()
    verb.add_arguments(parser)
    for form in ((), ("--json",)):
        parsed = parser.parse_args([*arguments, *form])
        assert verb.run(parsed, connect=daemon.connect, screen=console.screen) == 0
    assert [one[: len(call)] for one in daemon.calls] == [call, call]
    assert console.out.startswith(said)
    assert console.out.endswith('"done": true\n}\n')


@pytest.mark.parametrize("verb", [confirm, cancel, pause, resume])
def test_control_c_before_the_answer_is_not_silent(verb: ModuleType) -> None:
    daemon, console = Daemon(None, refusal=KeyboardInterrupt()), Console()
    parser = ArgumentParser()
    verb.add_arguments(parser)
    with pytest.raises(KeyboardInterrupt):
        verb.run(parser.parse_args([]), connect=daemon.connect, screen=console.screen)
    assert "it may be done all the same: dockcfgctl status" in console.err


def test_a_refused_word_is_an_error() -> None:
    daemon = Daemon(None, refusal=BusFailure(what="confirm", name="x", text="nothing waits"))
    parser = ArgumentParser()
    confirm.add_arguments(parser)
    with pytest.raises(BusFailure, match="nothing waits"):
        confirm.run(parser.parse_args([]), connect=daemon.connect, screen=Console().screen)


def test_apply_ends_where_the_word_is_awaited(waiting: dict[str, Any]) -> None:
    def proven(daemon: Daemon) -> Event:
        daemon.status = waiting
        return None

    daemon = Daemon(living(golden("status", "in-sync")), script=[proven])
    console, parser = Console(), ArgumentParser()
    apply.add_arguments(parser)
    code = apply.run(
        parser.parse_args(["--confirm", "2m"]),
        preview=Previews(golden("plan", "reload")),
        connect=daemon.connect,
        read_status=daemon.read_status,
        screen=console.screen,
    )
    assert code == 0
    assert daemon.calls == [("listen",), ("Apply", [], {"confirm": 120.0})]
    assert "proven, and awaiting confirmation: dockcfgctl confirm keeps it" in console.out


@pytest.fixture
def waiting() -> dict[str, Any]:
    document = living(_WAITING)
    return {**document, "last": {**document["last"], "transaction": "t1", "verdict": None}}


def test_the_status_says_until_when(waiting: dict[str, Any]) -> None:
    text = render(waiting)
    assert text.startswith("awaiting-confirmation: until 2026-05-28 20:26:40; t1 is proven")
    assert "dockcfgctl confirm" in text.splitlines()[-1]
    assert published.exit_code(waiting) == 0


def test_the_status_says_that_it_is_paused() -> None:
    document = living(
        {
            **golden("status", "in-sync"),
            "phase": "paused",
            "reason": "paused by root: by hand",
            "next": "`dockcfgctl resume`",
        }
    )
    assert render(document).startswith("paused: in-sync, paused by root: by hand")
    assert published.exit_code(document) == 0
