from __future__ import annotations

import pytest

from dockcfgd.model import steps as do
from dockcfgd.planning.target import Applied
from dockcfgd.reconcile.assess import Assessment, assess
from dockcfgd.settings import Settings
from tests.fakes.host import FakeHost


def _assessed(host: FakeHost, text: str | None) -> Assessment:
    if text is not None:
        host.files.put("/etc/dockcfgd/conf.toml", text)
    return assess(host.effects, Settings(), Applied(), name="T1")


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ('\n[engine]\nhosts = ["unix:///x"]', "engine.hosts", 3),
        ('[engine]\n\nlog-opts = { "no-such" = "1" }', "engine.log-opts.no-such", 3),
        ('[engine-extra]\ndebug = true\n\nhosts = ["unix:///x"]', "engine.hosts", 4),
        ('[service]\n\narguments = ["--data-root=/x"]', "service.arguments", 3),
        ('[service.environment]\nDOCKER_DRIVER = "vfs"', "service.environment", 1),
    ],
)
def test_what_the_host_bars_has_its_file_and_line(text: str, key: str, line: int) -> None:
    seen = _assessed(FakeHost(), text)
    places = {(one.key, one.file, one.line) for one in seen.findings}
    assert (key, "/etc/dockcfgd/conf.toml", line) in places


def test_a_foreign_key_that_a_new_value_bars_is_named_without_a_line() -> None:
    host = FakeHost(daemon_json='{"log-opts": {"max-size": "1m"}}')
    (finding,) = _assessed(host, '[engine]\nlog-driver = "journald"').findings
    assert (finding.key, finding.file) == ("engine.log-opts.max-size", None)


def test_all_rings_are_run_where_the_host_can_be_asked() -> None:
    seen = _assessed(FakeHost(), "[engine]\ndebug = true")
    assert not seen.findings
    assert {check.name: check.run for check in seen.checks} == {
        "schema": True,
        "the engine's own rules": True,
        "dockerd --validate": True,
    }


def test_what_systemd_would_ignore_has_its_file_and_line() -> None:
    text = "[service.unit.Service]\nTasksMax = 9\nLimitNOFILE = 'many'\n"
    seen = _assessed(FakeHost(), text)
    (finding,) = seen.findings
    assert (finding.key, finding.line) == ("service.unit.Service.LimitNOFILE", 3)
    assert "systemd would ignore LimitNOFILE=many" in finding.message


@pytest.mark.parametrize("installed", [True, False])
def test_the_drop_in_is_checked_where_systemd_can_be_asked(*, installed: bool) -> None:
    host = FakeHost()
    host.unit_checker.installed = installed
    seen = _assessed(host, "[service.unit.Service]\nLimitNOFILE = 'many'\n")
    assert {check.name: check.run for check in seen.checks}["systemd-analyze verify"] is installed
    assert bool(seen.findings) is installed


def test_no_file_and_nothing_owned_is_nothing_to_plan() -> None:
    seen = _assessed(FakeHost(), None)
    assert (seen.desired, seen.plan, seen.digest) == (None, None, "none")


def test_a_daemon_json_that_is_no_json_is_named() -> None:
    host = FakeHost()
    host.files.put("/etc/docker/daemon.json", "{")
    (finding,) = _assessed(host, "[engine]\ndebug = true").findings
    assert finding.file == "/etc/docker/daemon.json"
    assert "is not valid JSON" in finding.message


@pytest.mark.parametrize(
    "path", ["/etc/docker/daemon.json", "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"]
)
def test_a_folder_in_the_place_of_a_managed_file_is_refused(path: str) -> None:
    host = FakeHost()
    host.files.folder(path)
    (finding,) = _assessed(host, '[engine]\ndebug = true\n[service.environment]\nA = "b"').findings
    assert (finding.file, finding.message) == (path, "is a directory, where a file is expected")


def test_what_is_wrong_has_a_digest_that_changes_with_it() -> None:
    digests = {
        _assessed(FakeHost(), text).digest
        for text in ("[engin]", "[engine]\ndebgu = true", "[engine]\ndebug = 1")
    }
    assert len(digests) == 3
    assert all(digest.startswith("invalid-") for digest in digests)


def test_what_differs_is_told_before_the_checks_that_take_their_time() -> None:
    host = FakeHost(daemon_json='{"debug": false}')
    host.files.put("/etc/dockcfgd/conf.toml", "[engine]\ndebug = true")
    told: list[Assessment] = []
    seen = assess(host.effects, Settings(), Applied(), notice=told.append)
    (early,) = told
    assert early.plan is not None
    assert seen.plan is not None
    assert early.plan.drifts == seen.plan.drifts
    assert early.checks == ()


def test_what_cannot_be_read_on_disk_is_made_anew_and_the_plan_says_so() -> None:
    host = FakeHost()
    host.run("web")
    host.carrier.unreadable = "unknown file x"
    seen = _assessed(host, '[engine]\nstorage-driver = "vfs"')
    assert seen.plan is not None
    assert "containers are made anew on vfs: unknown file x" in seen.plan.notes
    assert not any(isinstance(step, do.CarryLayers) for step in seen.plan.steps)
    host.carrier.unreadable = ""
    again = _assessed(host, None)
    assert again.plan is not None
    assert any(isinstance(step, do.CarryLayers) for step in again.plan.steps)
