"""The verb: what it asks for and prints."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import pytest

from dockcfgd.cli.errors import UsageError
from dockcfgd.cli.verbs import effective
from tests.unit.cli.surroundings import Console


def _row(key: str, value: object, source: str, proof: str) -> dict[str, Any]:
    return {"key": key, "value": value, "source": source, "proof": proof, "group": "a"}


_DOCUMENT = {
    "schema": 1,
    "engine": {"version": "26.1.5", "running": True, "reason": ""},
    "keys": [
        _row("debug", "yes", "desired", "info"),
        _row("log-opts.max-size", "1\x1b[2J", "foreign", "not observable"),
        _row("log-opts.tag", "x" * 100, "foreign", "not observable"),
        _row("mtu", 1500, "default", "not observable"),
        _row("icc", "yes", "default", "contradicted"),
    ],
    "notes": [],
}


def _run(*arguments: str) -> Console:
    console = Console()
    parser = ArgumentParser()
    effective.add_arguments(parser)
    code = effective.run(
        parser.parse_args(arguments), look=lambda: {**_DOCUMENT}, screen=console.screen
    )
    assert code == 0
    return console


def _keys(console: Console) -> list[str]:
    return [one["key"] for one in console.document["keys"]]


def test_gives_every_key_or_those_asked_for() -> None:
    assert len(_keys(_run("--json"))) == 5
    assert _keys(_run("--json", "engine.log-opts")) == ["log-opts.max-size", "log-opts.tag"]
    assert _keys(_run("--json", "mtu", "debug")) == ["debug", "mtu"]
    assert "mtu" not in _keys(_run("--json", "--changed"))
    assert "icc" in _keys(_run("--json", "--changed"))


def test_the_text_is_a_table_that_cannot_steer_a_terminal() -> None:
    out = _run().out
    assert "\x1b" not in out
    header, *rows = (line for line in out.splitlines()[2:] if line)
    assert all(row[header.index("SOURCE") - 1] == " " for row in rows[:5])
    assert max(map(len, rows[:5])) < 100


def test_a_key_that_is_none_is_a_wrong_use() -> None:
    with pytest.raises(UsageError, match="there is no key 'debugg': did you mean debug"):
        _run("debugg")
