"""Readers that go away early, and answers that nobody can be asked about."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.dbus

_CTL = "import sys; from dockcfgd.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--json"],
        ["status", "--watch"],
        ["status", "--watch", "--json"],
        ["monitor"],
        ["monitor", "--json"],
        ["effective"],
        ["effective", "--json"],
        ["schema"],
        ["plan", "--json"],
        ["history"],
        ["--help"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_a_reader_that_takes_one_line(house: House, words: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CTL, *words],
        env=house.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline().strip()
        program.stdout.close()
        if words[0] == "monitor" or "--watch" in words:
            # Something has to be told for it to notice.
            house.drop("85-told.toml", "[engine]\nlog-dirver = 1")
            house.until(lambda status: status["condition"] == "rejected")
            (house.conf_d / "85-told.toml").unlink()
            house.until(lambda status: status["condition"] != "rejected")
        assert program.stderr.read() == ""
        assert program.wait(timeout=20) in {0, 1, 4}


def test_quiet_says_all_by_the_exit_code(house: House) -> None:
    file = house.folder / "quiet.toml"
    file.write_text("schema = 1\n[engine]\ndebug = true\n")
    for words, code in (
        (["plan", "--exit-code", "--quiet", str(file)], 4),
        (["validate", "--quiet", str(file)], 0),
        (["apply", "--quiet", str(file)], 0),
        (["status", "-q"], 0),
    ):
        done = house.ctl(*words)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", ""), words
