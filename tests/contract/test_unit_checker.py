"""ports.UnitChecker: simulated, and systemd's own check where this machine has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockcfgd.adapters.systemd_analyze import SystemdAnalyze
from dockcfgd.model.host import UnitFile
from dockcfgd.ports import UnitChecker
from tests.fakes.unit_checker import FakeUnitChecker

_PROGRAM = "/usr/bin/systemd-analyze"
_NAME = "zz-dockcfgd.conf"
# With faults of its own, and ties to units that are not there.
_FILES = (
    UnitFile(
        "/usr/lib/systemd/system/docker.service",
        "[Unit]\nRequires=docker.socket nowhere.service\nAfter=docker.socket\n"
        "[Service]\nType=notify\nExecStart=/bin/true -H fd://\nNonsense=1\nLimitNPROC=x\n",
    ),
    UnitFile("/etc/systemd/system/docker.service.d/override.conf", "[Service]\nLimitCORE=x\n"),
)


@pytest.fixture(params=["fake", "real"])
def checker(request: pytest.FixtureRequest, tmp_path: Path) -> UnitChecker:
    if request.param == "fake":
        return FakeUnitChecker()
    return SystemdAnalyze(folder=str(tmp_path), program=_PROGRAM)


def test_the_noise_of_other_files_is_not_told(checker: UnitChecker) -> None:
    drop_in = b'[Service]\nExecStart=\nExecStart=/bin/true --debug\nEnvironment="A=b c"\n'
    assert checker.check(_FILES, _NAME, drop_in) == ()


def test_bad_lines_are_told_with_their_number(checker: UnitChecker) -> None:
    drop_in = b"# made\n[Service]\nLimitNOFILE=many\nTasksMax=9\n[Unit]\nNope=1\n"
    told = checker.check(_FILES, _NAME, drop_in)
    assert told is not None
    assert [one.line for one in told] == [3, 6]
    assert "many" in told[0].text
    assert "Nope" in told[1].text


def test_without_a_unit_nothing_can_be_told(checker: UnitChecker) -> None:
    assert checker.check((), _NAME, b"[Service]\nLimitNOFILE=many\n") is None


class TestSystemdAnalyze:
    def test_where_it_is_not_installed_there_is_no_answer(self, tmp_path: Path) -> None:
        missing = SystemdAnalyze(folder=str(tmp_path), program=str(tmp_path / "none"))
        assert missing.check(_FILES, _NAME, b"") is None

    def test_what_holds_for_the_whole_unit_counts_if_it_is_new(self, tmp_path: Path) -> None:
        real = SystemdAnalyze(folder=str(tmp_path), program=_PROGRAM)
        told = real.check(_FILES, _NAME, b"[Service]\nExecStart=/bin/false\n")
        assert told is not None
        assert [one.line for one in told] == [0]
        assert "more than one ExecStart" in told[0].text
        twice = (UnitFile("/docker.service", "[Service]\nType=notify\n"),)
        assert real.check(twice, _NAME, b"[Service]\nTasksMax=9\n") == ()
        assert [*tmp_path.iterdir()] == []
