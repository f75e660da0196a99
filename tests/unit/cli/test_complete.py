"""What a word of a command line can become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.cli.command_line import actions_of, parser_of
from dockcfgd.cli.complete import Kind, Sources, answer, kind_of
from dockcfgd.cli.main import VERBS

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from collections.abc import Iterator

HISTORY: list[dict[str, Any]] = [
    {"generation": 3, "created": 200.0, "verdict": "applied", "applied": True, "comment": "dns"},
    {"generation": 2, "created": 100.0, "verdict": "refused", "applied": False},
]
BACKUPS: list[dict[str, Any]] = [
    {"id": "b-2", "created": 200.0, "engine": "26.1.5", "storage": "overlay2", "complete": True},
    {"id": "b-1", "created": 100.0, "engine": "26.1.5", "storage": "vfs", "complete": False},
]
SOURCES = Sources(lambda: HISTORY, lambda: BACKUPS, lambda: ["log-driver", "log-opts", "mtu"])

# Values that only the person knows.
_FREE = {
    "comment", "names", "transaction", "reason", "engine_version", "keep",
}  # fmt: skip


def asked(*words: str) -> tuple[str, list[str]]:
    kind, *lines = answer(words, verbs=VERBS, sources=SOURCES)
    return kind, [line.partition("\t")[0] for line in lines]


@pytest.mark.parametrize(
    ("words", "kind", "candidates"),
    [
        (("hist",), Kind.WORDS, ["history"]),
        (("ro",), Kind.WORDS, ["rollback"]),
        (("nonsense", ""), Kind.WORDS, []),
        (("plan", ""), Kind.TOML, []),
        (("plan", "--eng"), Kind.WORDS, ["--engine-version"]),
        (("plan", "--daemon-json", ""), Kind.FILES, []),
        (("plan", "--unit", "a", "--un"), Kind.WORDS, ["--unit"]),
        (("import", "-o", ""), Kind.TOML, []),
        (("apply", "--yes", "--y"), Kind.WORDS, []),
        (("apply", "--confirm", ""), Kind.WORDS, ["30s", "2m", "5m", "15m"]),
        (("apply", "--confirm", "=", "5"), Kind.WORDS, ["5m"]),
        (("apply", "--confirm", "="), Kind.WORDS, ["30s", "2m", "5m", "15m"]),
        (("apply", "--confirm=1"), Kind.WORDS, ["--confirm=15m"]),
        (("apply", "--confirm", "2m", ""), Kind.TOML, []),
        (("rollback", ""), Kind.WORDS, ["3", "2"]),
        (("show", ""), Kind.WORDS, ["3", "2"]),
        (("wait", "--generation", ""), Kind.WORDS, ["3", "2"]),
        (("diff", ""), Kind.WORDS, ["3", "2", "disk"]),
        (("diff", "3", ""), Kind.WORDS, ["2", "disk"]),
        (("diff", "3", "2", "--ex"), Kind.WORDS, ["--exit-code"]),
        (("effective", "log-driver", "log"), Kind.WORDS, ["log-opts"]),
        (("backup", "v"), Kind.WORDS, ["verify"]),
        (("backup", "show", ""), Kind.WORDS, ["b-2"]),
        (("backup", "list", "--directory", ""), Kind.FOLDERS, []),
        (("backup", "create", "--consistency", "s"), Kind.WORDS, ["stop"]),
        (("completion", ""), Kind.WORDS, ["bash", "zsh", "fish"]),
    ],
)
def test_what_it_can_become(words: tuple[str, ...], kind: Kind, candidates: list[str]) -> None:
    assert asked(*words) == (kind, candidates)


def test_all_verbs_come_with_their_meaning() -> None:
    lines = list(answer([""], verbs=VERBS, sources=SOURCES))
    assert lines[0] == Kind.WORDS
    assert [line.partition("\t")[0] for line in lines[1:]] == list(VERBS)
    assert all(line.partition("\t")[2] for line in lines[1:])


def test_a_generation_comes_with_what_became_of_it() -> None:
    lines = list(answer(["rollback", "3"], verbs=VERBS, sources=SOURCES))
    assert lines[1:] == ["3\t1970-01-01 00:03:20 applied, in force, dns"]


def actions(parser: ArgumentParser) -> Iterator[Action]:
    for action in actions_of(parser):
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                yield from actions(inner)
        elif action.nargs != 0:
            yield action


@pytest.mark.parametrize("verb", VERBS)
def test_every_value_is_completed_or_known_to_be_free(verb: str) -> None:
    for action in actions(parser_of(verb)):
        helped = action.choices is not None or kind_of(action) is not Kind.WORDS
        known = {"generation", "before", "after", "backup", "backups", "keys", "confirm", "timeout"}
        assert helped or action.dest in known | _FREE, f"{verb}: {action.dest}"
