"""plan and validate for a host that options describe."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_host(tmp_path: Path) -> Iterator[None]:
    """Let whatever is asked of this machine fail."""
    given = {
        "DOCKCFGD_CONFIG_FILE": f"{tmp_path}/none.toml",
        "DOCKCFGD_CONFIG_DIRS": f"{tmp_path}/none.d",
        "DOCKCFGD_STATE_DIR": f"{tmp_path}/state",
        "DOCKCFGD_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus",
        "DOCKCFGD_DOCKER_SOCKET": f"{tmp_path}/no-docker",
    }
    before = dict(os.environ)
    os.environ.update(given)
    yield
    os.environ.clear()
    os.environ.update(before)


class Folder:
    """A folder with files to name."""

    def __init__(self, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._path, self._capfd = path, capfd

    def put(self, name: str, content: str) -> str:
        path = self._path / name
        path.write_text(content)
        return str(path)

    def run(self, *arguments: str, code: int = 0) -> str:
        assert main(list(arguments)) == code
        told = self._capfd.readouterr()
        return told.out if code < 2 else told.err

    def plan(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("plan", "--json", *arguments, code=code))
        return document


@pytest.fixture
def folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capfd)


def test_what_that_engine_does_not_know_is_refused_with_its_line(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", "[engine]\n\ndefault-network-opts = {}")
    document = folder.plan("--engine-version", "20.10.24", wanted, code=1)
    (refusal,) = document["refusals"]
    assert (refusal["file"], refusal["line"]) == (wanted, 3)
    assert folder.plan("--engine-version", "26.1.5", wanted)["refusals"] == []


def test_the_diff_starts_from_the_daemon_json_given(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", "[engine]\ndebug = true")
    there = folder.put("daemon.json", '{"icc": false, "debug": false}')
    options = ("--engine-version", "26.1.5", "--daemon-json", there, wanted)
    (view,) = folder.plan(*options)["files"]
    assert json.loads(view["before"]) == {"icc": False, "debug": False}
    assert json.loads(view["after"]) == {"icc": False, "debug": True}
    text = folder.run("plan", *options)
    assert '-  "debug": false' in text
    assert "Which containers there are is not known." in text
    folder.run("plan", "--exit-code", *options, code=4)


def test_a_file_that_is_as_wanted_leaves_nothing_to_do(folder: Folder) -> None:
    pools = [{"base": "10.1.0.0/16", "size": 24}]
    there = folder.put("daemon.json", json.dumps({"debug": True, "default-address-pools": pools}))
    wanted = folder.put(
        "10-a.toml",
        '[engine]\ndebug = true\ndefault-address-pools = [{ base = "10.1.0.0/16", size = 24 }]',
    )
    document = folder.plan("--engine-version", "26.1.5", "--daemon-json", there, wanted)
    assert (document["steps"], document["drifts"], document["files"]) == ([], [], [])


def test_flags_of_the_unit_given_are_looked_at(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", '[engine]\nlog-driver = "local"')
    unit = folder.put(
        "docker.service", "[Service]\nExecStart=/usr/bin/dockerd --log-driver=local\n"
    )
    plain = folder.plan("--engine-version", "26.1.5", wanted)
    assert any("docker.service is taken to run" in note for note in plain["notes"])
    document = folder.plan("--engine-version", "26.1.5", "--unit", unit, wanted)
    moved = f"takes --log-driver=local out of the command ({unit}:2): engine.log-driver sets it now"
    assert moved in document["notes"]


def test_a_drop_in_of_ours_is_compared(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", '[service]\nenvironment = { A = "b" }')
    made = folder.plan("--engine-version", "26.1.5", wanted)["files"][0]["after"]
    ours = folder.put("zz.conf", made)
    document = folder.plan("--engine-version", "26.1.5", "--drop-in", ours, wanted)
    assert document["steps"] == []


def test_storage_is_taken_to_be_in_use(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", '[engine]\ndata-root = "/srv/docker"')
    document = folder.plan("--engine-version", "26.1.5", wanted)
    assert document["impact"] == "migrate"


def test_what_was_not_checked_is_named(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", "[engine]\ndebug = true")
    document = folder.plan("--daemon-json", folder.put("daemon.json", "{}"), wanted)
    missing = [check["name"] for check in document["checks"] if not check["run"]]
    assert missing == [
        "the installed engine's version",
        "dockerd --validate",
        "containers, networks, kernel and file systems",
    ]


def test_the_restart_with_containers_is_told(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", '[engine]\nlog-driver = "local"')
    notes = folder.plan("--engine-version", "26.1.5", wanted)["notes"]
    assert "where containers run: bridged restart: containers run on under live-restore" in notes


def test_validate_takes_the_same_options(folder: Folder) -> None:
    wanted = folder.put("10-a.toml", "[engine]\ndefault-network-opts = {}")
    assert folder.run("validate", "--engine-version", "26.1.5", wanted) == "valid\n"
    folder.run("validate", "--engine-version", "20.10.24", wanted, code=1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "it is not valid JSON"),
        ("[]", "it is not a JSON object"),
    ],
)
def test_a_daemon_json_that_cannot_be_used_is_named(
    folder: Folder, content: str, words: str
) -> None:
    there = folder.put("daemon.json", content)
    told = folder.run("plan", "--daemon-json", there, code=2)
    assert there in told
    assert words in told


def test_a_version_that_is_none_is_refused(folder: Folder) -> None:
    assert "cannot read 'newest'" in folder.run("plan", "--engine-version", "newest", code=2)
