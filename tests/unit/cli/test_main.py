from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import dockcfgd
from dockcfgd.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERBS = ["status", "plan", "validate", "apply", "history", "show", "diff", "rollback", "wait"]


@pytest.fixture(autouse=True)
def _empty_host(tmp_path: Path) -> Iterator[None]:
    """Point the command away from the machine that runs the tests."""
    given = {
        "DOCKCFGD_RUNTIME_DIR": str(tmp_path / "run"),
        "DOCKCFGD_STATE_DIR": str(tmp_path / "state"),
        "DOCKCFGD_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus",
    }
    before = dict(os.environ)
    os.environ.update(given)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"dockcfgctl {dockcfgd.__version__}\n"


def test_help_names_each_verb(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capfd.readouterr().out
    for verb in VERBS:
        assert f"\n  {verb} " in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = capfd.readouterr().out
    assert text.startswith(f"usage: dockcfgctl {verb} ")
    assert "--json" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: dockcfgctl VERB"),
        (["statsu"], "there is no verb 'statsu': did you mean status?"),
        (["--json", "status"], "there is no option '--json' before the verb: give it behind"),
        (["xyzzy"], "there is no verb 'xyzzy': known are status, plan,"),
        (["status", "--jsno"], "unrecognized arguments: --jsno"),
        (["status", "--quiet", "extra"], "unrecognized arguments: extra"),
        (["rollback", "-1"], "usage: dockcfgctl rollback"),
        (["rollback", "one"], "'one' is no generation"),
        (["wait", "--timeout", "5 parsecs"], "'5 parsecs' has an unknown unit"),
        (["wait", "--timeout", "soon"], "'soon' is no span of time"),
        (["plan", "/etc/hostname"], "cannot take a file named 'hostname'"),
    ],
)
def test_usage_errors(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capfd.readouterr()
    assert words in shown.err
    assert shown.out == ""


def test_a_file_that_cannot_be_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"{tmp_path}/none.toml"]) == 1
    expected = f"dockcfgctl: cannot read {tmp_path}/none.toml: No such file or directory\n"
    assert capfd.readouterr().err == expected


def test_a_file_that_is_no_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    assert main(["validate", f"{tmp_path}/a.toml"]) == 2
    assert "a.toml:1: not valid UTF-8" in capfd.readouterr().err


def test_other_orders_of_status_options_are_parsed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--quiet"]) == 3
    assert capfd.readouterr().out == ""


def test_history_of_a_host_that_has_none(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["history"]) == 0
    assert capfd.readouterr().out == "nothing yet: no desired state was ever seen\n"
    assert main(["history", "--json"]) == 0
    assert '"generations": []' in capfd.readouterr().out


def test_wait_without_a_daemon(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["wait"]) == 3
    assert capfd.readouterr().out.startswith("stopped: dockcfgd is not running")


def test_without_a_bus_the_reason_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "--yes"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("dockcfgctl: cannot connect to the bus: ")
    assert said.endswith("; is it up? systemctl status dbus.socket dbus\n")


@pytest.mark.parametrize("given", [["show"], ["diff", "0"]])
def test_there_is_nothing_to_show_yet(given: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 1
    why = f"dockcfgctl: cannot {given[0]} anything: no desired state was ever seen here\n"
    assert capfd.readouterr() == ("", why)


@pytest.mark.parametrize(
    ("given", "why"), [("x", "'x' is no generation"), ("desired", "is told by dockcfgctl plan")]
)
def test_what_cannot_be_compared(given: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", given]) == 2
    assert why in capfd.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_a_file_that_is_for_root(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.toml"
    file.write_text("schema = 1\n")
    file.chmod(0o600)
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    os.setresuid(65534, 65534, 0)
    try:
        assert main(["plan", str(file)]) == 1
    finally:
        os.setresuid(0, 0, 0)
    why = f"dockcfgctl: cannot read {file}: Permission denied; try it with sudo\n"
    assert capfd.readouterr().err == why


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
@pytest.mark.parametrize("given", [["history"], ["show"], ["diff", "0"]])
def test_only_root_reads_the_history(
    given: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "state").mkdir(mode=0o700)
    os.setresuid(65534, 65534, 0)
    try:
        assert main(given) == 1
    finally:
        os.setresuid(0, 0, 0)
    path = tmp_path / "state/state.db"
    why = f"cannot read {path}: only root may; try sudo dockcfgctl {given[0]}"
    assert capfd.readouterr() == ("", f"dockcfgctl: {why}\n")
