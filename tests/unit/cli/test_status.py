"""`status` as a process: what it prints, how it exits, what it costs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

import dockcfgd
from dockcfgd.history import History
from dockcfgd.state_file import StateFile
from tests.unit.cli.surroundings import golden, input_view, living

SOURCE = str(Path(dockcfgd.__file__).parents[1])
ENTRY = f"import sys; sys.path.insert(0, {SOURCE!r}); from dockcfgd.cli.main import main; "
IN_SYNC = golden("status", "in-sync")


class Host:
    """Folders in place of /run and /var/lib, and the command as the package installs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "DOCKCFGD_RUNTIME_DIR": str(folder),
            "DOCKCFGD_STATE_DIR": str(folder / "state"),
            "TZ": "UTC",
        }

    def publish(self, document: dict[str, Any]) -> None:
        (self.folder / "status.json").write_text(json.dumps(document))

    def command(self, *arguments: str, after: str = "") -> list[str]:
        run = f"code = main(); {after}; sys.exit(code)" if after else "sys.exit(main())"
        return [sys.executable, "-ISc", ENTRY + run, *arguments]

    def run(
        self, *arguments: str, after: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, after=after),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_it_prints_and_exits_as_documented(host: Host) -> None:
    host.publish(living(IN_SYNC))
    done = host.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("in-sync: generation 3 is in force\n")
    assert "Engine     26.1.5+dfsg1, overlay2" in done.stdout


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"condition": "unmanaged"}, 0),
        ({"condition": "rejected"}, 1),
        ({"condition": "degraded"}, 1),
        ({"condition": "drifted"}, 4),
        ({"phase": "verifying"}, 4),
        ({"daemon": None}, 3),
    ],
)
def test_quiet_says_all_by_the_exit_code(host: Host, changes: dict[str, Any], code: int) -> None:
    host.publish(living(IN_SYNC, **changes))
    for option in ("--quiet", "-q"):
        done = host.run("status", option)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_json_is_the_published_document(host: Host) -> None:
    document = living(IN_SYNC, reason="ümlaut")
    host.publish(document)
    done = host.run("status", "--json")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert json.loads(done.stdout) == document


def test_a_file_just_dropped_is_pending(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    document = living(IN_SYNC)
    document["desired"]["folders"] = [input_view(folder)]
    host.publish(document)
    assert host.run("status", "-q").returncode == 0
    (folder / "new.toml").touch()
    done = host.run("status")
    assert done.returncode == 4
    assert done.stdout.startswith("pending: files changed, not looked at yet:")
    answer = json.loads(host.run("status", "--json").stdout)
    assert answer["condition"] == "pending"
    assert answer["reason"] == f"files changed, not looked at yet: {folder}"


def test_a_daemon_that_ended_leaves_its_last_word(host: Host) -> None:
    host.publish(living(IN_SYNC) | {"daemon": {**IN_SYNC["daemon"], "pid": 2**22 + 1}})
    done = host.run("status")
    assert done.returncode == 3
    assert done.stdout.startswith("stopped: dockcfgd is not running; last known: in-sync\n")
    document = json.loads(host.run("status", "--json").stdout)
    assert (document["daemon"], document["phase"]) == (None, "stopped")


def test_with_nothing_known_it_is_one_line(host: Host) -> None:
    done = host.run("status")
    assert done.returncode == 3
    assert done.stdout == "stopped: dockcfgd is not running; start it: systemctl start dockcfgd\n"
    assert json.loads(host.run("status", "--json").stdout)["phase"] == "stopped"


def test_the_state_file_has_the_last_word_when_run_is_empty(host: Host) -> None:
    (host.folder / "state").mkdir(mode=0o700)
    state = StateFile(str(host.folder / "state" / "state.db"))
    History(state).keep_status(living(IN_SYNC))
    state.close()
    done = host.run("status")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("stopped: dockcfgd is not running; last known: in-sync\n")


def test_a_damaged_state_file_is_as_good_as_none(host: Host) -> None:
    (host.folder / "state").mkdir()
    (host.folder / "state" / "state.db").write_bytes(b"no database" * 99)
    done = host.run("status")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.count("\n") == 1


def test_nothing_heavy_is_imported(host: Host) -> None:
    host.publish(living(IN_SYNC))
    heavy = "argparse dataclasses typing inspect pathlib contextlib subprocess gi pydantic"
    after = f"print(*({set(heavy.split())!r} & set(sys.modules)), file=sys.stderr)"
    done = host.run("status", after=after)
    assert (done.returncode, done.stderr) == (0, "\n")
    assert done.stdout != ""


def test_it_is_ascii_where_the_locale_says_nothing_else(host: Host) -> None:
    host.publish(living(IN_SYNC, condition="degraded", reason="für ∞"))
    for locale in ({}, {"LANG": "C"}, {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}):
        done = host.run("status", **locale)
        assert done.stdout.startswith("degraded: f\\xfcr \\u221e\n")
    assert host.run("status", LANG="C.UTF-8").stdout.startswith("degraded: für ∞\n")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_only_a_terminal_gets_colours(
    host: Host, environment: dict[str, str], *, coloured: bool
) -> None:
    host.publish(living(IN_SYNC))
    assert "\033" not in host.run("status", **environment).stdout
    ours, theirs = pty.openpty()
    done = subprocess.run(
        host.command("status"), env=host.environment | environment, stdout=theirs, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert shown.startswith("\033[32min-sync\033[0m: generation" if coloured else "in-sync: ")


def test_a_reader_that_goes_away_is_no_error(host: Host) -> None:
    host.publish(living(IN_SYNC))
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        host.command("status"),
        env=host.environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_answer_that_cannot_be_written_is_a_failure(host: Host) -> None:
    host.publish(living(IN_SYNC))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            host.command("status"),
            env=host.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "dockcfgctl: cannot write the answer: No space left on device\n"


def test_help_that_cannot_be_written_is_a_failure(host: Host) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            host.command("status", "--help"),
            env=host.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "dockcfgctl: cannot write the answer: No space left on device\n"


def test_help_that_nobody_reads_is_no_error(host: Host) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        host.command("status", "--help"),
        env=host.environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_descriptors_are_survived(host: Host) -> None:
    host.publish(living(IN_SYNC))
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *host.command("status")]
    assert subprocess.run(command, env=host.environment, check=False).returncode == 0


def test_what_is_shown_in_place_ends_where_the_terminal_does(host: Host) -> None:
    host.publish(living(golden("status", "rejected-rolled-back")))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    command = host.command("status", "--watch")
    with subprocess.Popen(command, env=host.environment, stdout=theirs) as program:
        os.close(theirs)
        said = b""
        while not said.endswith(b"\033[J\r\n"):
            said += os.read(ours, 4096)
        program.terminate()
    os.close(ours)
    assert said.count(b"\n") == 9
    assert b"rejected" in said
