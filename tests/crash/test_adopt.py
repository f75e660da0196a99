"""on-drift = "adopt": what somebody wrote into daemon.json becomes the desired state."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.model.status import Condition, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

ADOPTED = "/etc/dockcfgd/conf.d/90-adopted.toml"
RESTART = (JobVerb.RESTART, DOCKER_SERVICE)
RELOAD = (JobVerb.RELOAD, DOCKER_SERVICE)
WANTED = """\
[engine]
debug = false
max-concurrent-downloads = 5
log-opts = { max-size = "10m", max-file = "3" }
[policy]
on-drift = "adopt"
"""
IN_FORCE = {
    "labels": ["rack=7"],
    "debug": False,
    "max-concurrent-downloads": 5,
    "log-opts": {"max-size": "10m", "max-file": "3"},
}


class Host:
    """A host in force, whose daemon.json somebody edits."""

    def __init__(self, folder: Path, wanted: str = WANTED) -> None:
        self.host = FakeHost(daemon_json='{"labels": ["rack=7"]}')
        self.lives = Lives(folder, self.host)
        self.lives.want(wanted)
        assert self.lives.look().condition is Condition.IN_SYNC
        assert self.lives.files.document == IN_FORCE
        self.host.systemd.jobs.clear()

    def edit(self, *gone: str, **changes: Any) -> str:
        document = {**self.lives.files.document, **changes}
        text = json.dumps({name: document[name] for name in document if name not in gone})
        self.host.files.put(DAEMON_JSON, text, mode=0o640)
        return text

    def adopted(self) -> dict[str, Any]:
        return tomllib.loads(self.host.files.text(ADOPTED))

    def history(self) -> list[dict[str, Any]]:
        from dockcfgd.chronicle import read_history  # noqa: PLC0415 -- used here only

        return read_history(self.lives.settings.state_file)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def in_sync(status: Status) -> None:
    assert status.condition is Condition.IN_SYNC, (status.condition, status.reason)


def test_an_edit_of_a_reloadable_key_is_written_back_and_reloaded(host: Host) -> None:
    text = host.edit(debug=True)
    status = host.lives.look()
    in_sync(status)
    assert host.adopted() == {"schema": 1, "engine": {"debug": True}}
    assert host.host.files.text(ADOPTED).startswith("# Written by dockcfgd")
    assert host.host.files.file(ADOPTED).mode == 0o640
    assert host.host.files.text(DAEMON_JSON) == text
    assert host.host.systemd.jobs == [RELOAD]
    assert host.host.engine.info()["Debug"] is True
    last = status.last
    assert last is not None
    assert (last.verdict, last.impact, last.reason) == (Verdict.APPLIED, "reload", "adopted: debug")
    newest = host.history()[0]
    assert (newest["origin"], newest["comment"]) == ("adopted", "adopted: debug")
    assert (newest["verdict"], newest["applied"]) == ("applied", True)


def test_a_removed_key_is_unset_in_the_engine_too(host: Host) -> None:
    host.edit("max-concurrent-downloads", debug=True)
    in_sync(host.lives.look())
    assert host.adopted() == {
        "schema": 1,
        "unset": ["engine.max-concurrent-downloads"],
        "engine": {"debug": True},
    }
    assert host.lives.files.document == {
        name: value for name, value in (IN_FORCE | {"debug": True}).items() if "max-c" not in name
    }
    process = host.host.dockerd.process
    assert process is not None
    assert process.config.get("max-concurrent-downloads", 3) == 3


def test_one_edit_after_the_other_is_merged(host: Host) -> None:
    host.edit(debug=True)
    in_sync(host.lives.look())
    host.edit("debug", **{"max-concurrent-downloads": 7})
    in_sync(host.lives.look())
    assert host.adopted() == {
        "schema": 1,
        "unset": ["engine.debug"],
        "engine": {"max-concurrent-downloads": 7},
    }
    host.edit(debug=False)
    in_sync(host.lives.look())
    # A key that nobody names any more is foreign.
    assert host.adopted()["unset"] == ["engine.debug"]
    assert host.lives.files.document["debug"] is False


def test_foreign_keys_are_nobodys_business(host: Host) -> None:
    host.edit(labels=["rack=8"], mtu=1400)
    in_sync(host.lives.look())
    assert not host.host.files.text(ADOPTED)
    assert host.host.systemd.jobs == []


def test_what_takes_a_restart_waits_and_is_done_when_asked(host: Host) -> None:
    text = host.edit(**{"log-opts": {"max-size": "20m", "max-file": "3"}})
    status = host.lives.look()
    assert status.condition is Condition.PENDING
    assert status.reason == "it takes a restart, and policy.drift-max-impact is reload"
    assert host.adopted()["engine"] == {"log-opts": {"max-size": "20m"}}
    assert host.host.systemd.jobs == []
    in_sync(host.lives.apply())
    assert host.host.systemd.jobs.count(RESTART) == 1
    assert host.host.files.text(DAEMON_JSON) == text


def test_an_edit_that_follows_one_that_waits_is_adopted_too(host: Host) -> None:
    host.edit(**{"log-opts": {"max-size": "20m", "max-file": "3"}})
    assert host.lives.look().condition is Condition.PENDING
    host.edit(debug=True)
    assert host.lives.look().condition is Condition.PENDING
    assert host.adopted()["engine"] == {"debug": True, "log-opts": {"max-size": "20m"}}
    in_sync(host.lives.apply())
    assert host.host.engine.info()["Debug"] is True


def test_an_engine_that_was_restarted_with_it_needs_no_other(host: Host) -> None:
    host.edit(**{"log-opts": {"max-size": "20m", "max-file": "3"}})
    assert host.lives.look().condition is Condition.PENDING
    host.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    host.host.systemd.jobs.clear()
    in_sync(host.lives.look())
    assert host.host.systemd.jobs == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"debug": "yes"}, f"{DAEMON_JSON}:1: debug: it must be true or false"),
        ({"debug": None}, f"{DAEMON_JSON}: debug: null"),
        ({"max-concurrent-downloads": -4}, f"{DAEMON_JSON}:1: max-c"),
    ],
)
def test_what_is_refused_is_reported_and_left(
    host: Host, changes: dict[str, Any], why: str
) -> None:
    text = host.edit(**changes)
    status = host.lives.look()
    assert status.condition is Condition.DRIFTED
    assert status.reason is not None
    assert status.reason.startswith(f"the host differs and is not adopted: {why}")
    assert host.host.files.text(DAEMON_JSON) == text
    assert not host.host.files.text(ADOPTED)
    assert len(host.history()) == 2
    in_sync(host.lives.apply())
    assert host.lives.files.document == IN_FORCE


def test_a_key_of_a_later_file_is_not_adopted(host: Host) -> None:
    host.lives.want("[engine]\ndebug = false", path="/etc/dockcfgd/conf.d/95-mine.toml")
    in_sync(host.lives.look())
    host.edit(debug=True)
    status = host.lives.look()
    assert status.condition is Condition.DRIFTED
    assert "debug is set in /etc/dockcfgd/conf.d/95-mine.toml:3" in (status.reason or "")
    assert not host.host.files.text(ADOPTED)


def test_a_file_without_a_number_comes_later_and_is_named_with_the_way_out(host: Host) -> None:
    mine = "/etc/dockcfgd/conf.d/site.toml"
    host.lives.want("[engine]\nmax-concurrent-downloads = 5", path=mine)
    in_sync(host.lives.look())
    document = host.edit(**{"max-concurrent-downloads": 7})
    status = host.lives.look()
    assert status.condition is Condition.DRIFTED
    assert (
        f"max-concurrent-downloads is set in {mine}:3, which counts more than 90-adopted.toml:"
        " edit that file, or give it a name that sorts before"
    ) in (status.reason or "")
    assert host.host.files.text(DAEMON_JSON) == document
    host.host.files.delete(mine)
    host.lives.want("[engine]\nmax-concurrent-downloads = 5", path=mine.replace("site", "10-site"))
    in_sync(host.lives.look())
    assert host.adopted()["engine"] == {"max-concurrent-downloads": 7}
    assert host.host.files.text(DAEMON_JSON) == document


@pytest.mark.parametrize("key", ["engine.mtu", "engine"])
def test_a_later_file_that_takes_the_key_away_is_named_too(tmp_path: Path, key: str) -> None:
    wanted = WANTED.replace("[engine]", '[engine]\nlabels = ["rack=7"]')
    host = Host(tmp_path, f'{wanted}unmanaged-keys = "remove"\n')
    later = "/etc/dockcfgd/conf.d/site.toml"
    host.lives.want(f'unset = ["{key}"]\n[engine]\ndebug = false', path=later)
    in_sync(host.lives.look())
    host.edit(mtu=1400)
    status = host.lives.look()
    assert status.condition is Condition.DRIFTED
    assert f"mtu is unset in {later}:2, which counts more than" in (status.reason or "")
    assert not host.host.files.text(ADOPTED)


@pytest.mark.parametrize("text", ["", None])
def test_a_file_that_is_gone_is_no_edit(host: Host, text: str | None) -> None:
    if text is None:
        host.host.files.delete(DAEMON_JSON)
    else:
        host.host.files.put(DAEMON_JSON, text)
    status = host.lives.look()
    assert status.condition is Condition.DRIFTED
    assert not host.host.files.text(ADOPTED)
    in_sync(host.lives.apply())


def test_a_state_that_fails_is_taken_back_and_not_adopted_again(tmp_path: Path) -> None:
    host = Host(tmp_path, f'{WANTED}drift-max-impact = "restart"\n')
    host.host.refuse_start(lambda config: "no room" if "20m" in str(config) else None)
    host.edit(**{"log-opts": {"max-size": "20m", "max-file": "3"}})
    status = host.lives.look()
    assert status.condition is Condition.REJECTED
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert host.lives.files.document == IN_FORCE
    assert host.host.engine.ping()
    again = host.lives.later()
    assert again.condition is Condition.REJECTED
    assert host.lives.files.document == IN_FORCE
    assert host.adopted()["engine"] == {"log-opts": {"max-size": "20m"}}
    host.host.files.delete(ADOPTED)
    in_sync(host.lives.look())


def test_only_what_is_new_counts_after_an_edit_of_the_files(host: Host) -> None:
    host.edit(debug=True)
    host.lives.want(WANTED.replace("5", "6"))
    in_sync(host.lives.look())
    assert not host.host.files.text(ADOPTED)
    assert host.lives.files.document == IN_FORCE | {"max-concurrent-downloads": 6}


@pytest.mark.timeout(120)
def test_cut_off_anywhere_it_ends_adopted(folder: Path) -> None:
    first = Host(_new(folder, "whole"))
    first.edit("max-concurrent-downloads", debug=True)
    first.host.cuts.restart()
    in_sync(first.lives.look())
    places = len(first.host.cuts.passed)
    assert places > 10
    whole = first.host.files.snapshot()
    for place in range(places):
        host = Host(_new(folder, str(place)))
        host.edit("max-concurrent-downloads", debug=True)
        host.host.cuts.restart(crash_at=place)
        assert host.lives.live() is None
        host.host.crash()
        host.host.boot()
        host.lives.look()
        in_sync(host.lives.later())
        assert host.adopted() == first.adopted(), place
        assert json.loads(host.host.files.text(DAEMON_JSON)) == json.loads(whole[DAEMON_JSON])
        assert host.host.engine.info()["Debug"] is True
        assert host.history()[0]["comment"] == first.history()[0]["comment"]


def _new(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made
