"""What show, diff and history tell of a past that was really lived."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.chronicle import Side, last_path, read_generation, read_history, read_side
from dockcfgd.cli import generation_text
from dockcfgd.cli.changes import changed_lines, changes
from dockcfgd.model.errors import StateFileFailure
from dockcfgd.state_file import StateFile
from dockcfgd.state_schema import MIGRATIONS
from tests.crash.lives import DAEMON_JSON, DROP_IN
from tests.crash.test_history import Tale, failing

SERVICE = '[service]\nenvironment = {{ MY_TOKEN = "{0}", A = "{1}" }}'


class Told:
    """A past of five generations: the first files, two that worked, one that failed, one more."""

    def __init__(self, folder: Path) -> None:
        tale = Tale(folder)
        tale.want("[engine]\ndebug = true\n" + SERVICE.format("abcdefgh", 1))
        tale.want("[engine]\ndebug = false\n" + SERVICE.format("abcdefghi", 2))
        failing(tale)
        tale.files.put(DAEMON_JSON, "{}")
        tale.want("[engine]\ndebug = true")
        self.tale, self.path = tale, tale.lives.settings.state_file

    def shown(self, number: int | None) -> tuple[dict[str, Any], list[str]]:
        document = read_generation(self.path, number)
        json.dumps(document)
        return document, list(generation_text.lines(document))

    def side(self, number: int) -> Side:
        return read_side(self.path, number)

    def changed(self, one: int, other: int) -> list[str]:
        return list(changed_lines(changes(self.side(one), self.side(other))))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_history_tells_who_and_how_long(told: Told) -> None:
    history = read_history(told.path)
    assert [one["generation"] for one in history] == [4, 3, 2, 1, 0]
    assert [one["verdict"] for one in history] == [
        *("applied", "rolled-back", "applied", "applied", "applied")
    ]
    assert [one["seconds"] for one in history][-1] is None
    assert all(one["seconds"] > 5 for one in history[:-1])
    assert [one["applied"] for one in history] == [True, False, False, False, False]


def test_the_first_generation_has_files_and_no_transaction(told: Told) -> None:
    document, lines = told.shown(0)
    assert document["transactions"] == []
    daemon_json, drop_in = document["files"]
    assert daemon_json["text"] == '{\n   "labels": ["rack=7"]\n}\n'
    assert (daemon_json["uid"], daemon_json["gid"], daemon_json["mode"]) == (7, 8, "0600")
    assert daemon_json["attributes"] == ["user.note"]
    assert (drop_in["path"], drop_in["present"]) == (DROP_IN, False)
    assert lines[0] == "generation 0: applied"
    assert "  what     what was there before dockcfgd first wrote" in lines
    assert f"{DROP_IN} (drop-in): not there" in lines


def test_one_that_worked_shows_its_steps(told: Told) -> None:
    document, lines = told.shown(1)
    (transaction,) = document["transactions"]
    assert len(transaction["steps"]) == len(transaction["plan"])
    assert {step["state"] for step in transaction["steps"]} == {"done"}
    assert transaction["evidence"] == []
    assert "  | Environment=MY_TOKEN=***" in lines
    assert not any("abcdefgh" in line for line in (*lines, json.dumps(document)))


def test_one_that_failed_shows_why_and_what_there_was(told: Told) -> None:
    document, lines = told.shown(3)
    assert document["files"] == []
    (transaction,) = document["transactions"]
    failed = [step for step in transaction["steps"] if step["state"] == "failed"]
    assert [step["outcome"] for step in failed] == ["the engine did not start: listen tcp: in use"]
    (evidence,) = transaction["evidence"]
    assert [line["text"] for line in evidence["engine"]] == ["listen tcp: in use"]
    assert "metrics-addr" in evidence["files"][0]["text"]
    assert any(line.startswith("  not begun") for line in lines)
    assert any(line.startswith("  done ") and "undo: start the engine" in line for line in lines)
    assert any(line.startswith("  the engine's journal when it failed") for line in lines)


def test_the_newest_is_shown_where_none_is_named(told: Told) -> None:
    assert told.shown(None)[1][0] == "generation 4: applied (restart), in force"


def test_one_that_is_not_there(told: Told) -> None:
    with pytest.raises(StateFileFailure, match="cannot show generation 9: it is not in the hist"):
        told.shown(9)


def test_a_difference_of_bytes_and_of_a_new_file(told: Told) -> None:
    lines = told.changed(0, 1)
    assert lines[:2] == [f"--- a{DAEMON_JSON}", f"+++ b{DAEMON_JSON}"]
    assert '-   "labels": ["rack=7"]' in lines
    assert lines[lines.index(f"+++ b{DROP_IN}") - 1] == "--- /dev/null"
    assert "+Environment=MY_TOKEN=***" in lines


def test_a_difference_in_a_secret_alone_is_seen(told: Told) -> None:
    lines = told.changed(1, 2)
    assert "-Environment=MY_TOKEN=***" in lines
    assert "+Environment=MY_TOKEN=*** (differs)" in lines
    assert not any("abcdefgh" in line for line in lines)


def test_a_difference_of_owners(told: Told) -> None:
    assert told.changed(2, 4)[:3] == [
        f"owner {DAEMON_JSON}",
        "-7:8, mode 0600, user.note",
        "+0:0, mode 0644",
    ]


def test_one_that_failed_is_compared_by_what_was_there_then(told: Told) -> None:
    document = changes(told.side(2), told.side(3))
    assert document["to"] == "generation 3, when it failed"
    assert '+  "metrics-addr": "127.0.0.1:9323",' in list(changed_lines(document))


def test_nothing_differs(told: Told) -> None:
    assert changes(told.side(2), told.side(2))["files"] == []


def test_one_that_left_nothing_to_compare(told: Told) -> None:
    told.tale.want('[engine]\ndebug = "no"')
    with pytest.raises(StateFileFailure, match="generation 5: it was refused, so no files of it"):
        told.side(5)


def test_a_file_without_an_end_of_line(told: Told) -> None:
    told.tale.files.put(DAEMON_JSON, b'{"debug": true}')
    told.tale.want('[engine]\ndebug = true\n[policy]\nrestart = "plain"')
    assert "\\ No newline at end of file" in "\n".join(told.changed(4, 5))


def test_where_daemon_json_lay_last(told: Told) -> None:
    assert last_path(told.path) == DAEMON_JSON


@pytest.mark.parametrize(
    ("schema", "what"), [(2, "of an older"), (len(MIGRATIONS) + 1, "of a newer")]
)
def test_one_of_another_release_is_named(told: Told, schema: int, what: str) -> None:
    state = StateFile(told.path)
    state.rows(f"PRAGMA user_version = {schema}")
    state.close()
    with pytest.raises(StateFileFailure, match=what):
        read_history(told.path)
