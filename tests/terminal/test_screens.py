"""dockcfgctl in a real terminal, with a running dockcfgd: keys are sent, the screen is read."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.house import House

pytestmark = [
    pytest.mark.dbus,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here"),
]


@pytest.fixture
def terminal(house: House) -> Iterator[Terminal]:
    house.ctl("wait", "--timeout", "20s")
    with Terminal(house.folder, house.environment) as terminal:
        terminal.type(f"cd {house.folder}; clear")
        yield terminal


def wanted(house: House, text: str) -> str:
    """Write a file that differs from what is in force; give its name."""
    (house.folder / "wanted.toml").write_text(f'schema = 1\n[verify]\nsettle = "0s"\n{text}\n')
    return "wanted.toml"


def in_force(house: House) -> dict[str, object]:
    document = house.document("effective", "max-concurrent-uploads", "log-driver")
    return {one["key"]: one["value"] for one in document["keys"]}


def test_apply_asks_before_containers_stop(house: House, terminal: Terminal) -> None:
    name = wanted(house, '[policy]\nrestart = "plain"\n[engine]\nlog-driver = "local"')
    terminal.type(f"dockcfgctl apply {name}")
    terminal.until("2 running container(s) will stop and come back. Go on? [y/N]")
    terminal.type("n")
    terminal.until("nothing was changed")
    assert in_force(house)["log-driver"] == "json-file"
    terminal.type(f"clear; dockcfgctl apply {name}; echo exit $?")
    terminal.until("[y/N]")
    terminal.type("y")
    screen = terminal.until("exit 0")
    assert re.search(r"done +\d\.\d s  restart the engine\n", screen)
    assert re.search(r"\napplied, generation \d+ is in force\nexit 0", screen)
    assert in_force(house)["log-driver"] == "local"


def test_what_changed_while_somebody_thought_is_asked_about_again(
    house: House, terminal: Terminal
) -> None:
    name = wanted(house, '[policy]\nrestart = "plain"\n[engine]\nlog-driver = "json-file"')
    terminal.type(f"clear; dockcfgctl apply {name}; echo exit $?")
    terminal.until("[y/N]")
    other = "schema = 1\n[engine]\nmax-concurrent-downloads = 9\n"
    (house.folder / "other.toml").write_text(other)
    assert house.ctl("apply", str(house.folder / "other.toml")).returncode == 0
    terminal.type("y")
    terminal.until("something changed meanwhile; now this would be done:")
    assert in_force(house)["log-driver"] == "local"
    terminal.type("y")
    terminal.until("exit 0")
    assert in_force(house)["log-driver"] == "json-file"


def test_control_c_ends_the_following_and_not_the_change(house: House, terminal: Terminal) -> None:
    name = wanted(house, '[engine]\nlog-driver = "journald"\n[policy]\nrestart = "plain"')
    terminal.type(f"dockcfgctl apply --yes {name}; echo exit $?")
    terminal.until("running      ")
    terminal.press("", "C-c")
    screen = terminal.until("exit 130")
    assert "not followed any more; it goes on (" in screen
    assert "Traceback" not in screen
    assert house.ctl("wait", "--timeout", "20s").returncode == 0
    assert in_force(house)["log-driver"] == "journald"


def test_a_word_is_counted_down_to(house: House, terminal: Terminal) -> None:
    name = wanted(house, "[engine]\nmax-concurrent-uploads = 2")
    terminal.type(f"dockcfgctl apply --confirm 60s {name}; echo exit $?")
    terminal.until("goes back in 0:5")
    terminal.press("", "C-c")
    screen = terminal.until("exit 0")
    assert "it still awaits confirmation: dockcfgctl confirm keeps it" in screen
    assert house.status()["phase"] == "awaiting-confirmation"
    assert house.ctl("cancel").returncode == 0
    house.until(lambda status: status["phase"] == "idle")

    terminal.type(f"clear; dockcfgctl apply --confirm 60s {name}; echo exit $?")
    terminal.until("goes back in 0:5")
    assert house.ctl("confirm").returncode == 0
    screen = terminal.until("exit 0")
    assert re.search(r"\napplied, generation \d+ is in force\nexit 0", screen)
    assert "goes back" not in screen

    name = wanted(house, "[engine]\nmax-concurrent-uploads = 3")
    terminal.type(f"clear; dockcfgctl apply --confirm 2s {name}; echo exit $?")
    screen = terminal.until("exit 1")
    assert "\nrolled back, the previous state is in force again" in screen
    assert in_force(house)["max-concurrent-uploads"] == 2


def test_status_is_shown_again_when_it_changes(house: House, terminal: Terminal) -> None:
    terminal.type("dockcfgctl status --watch")
    before = terminal.until("  Daemon ")
    dropped = house.drop("80-typo.toml", "[engine]\nlog-dirver = 1")
    terminal.until("did you mean log-driver?")
    dropped.unlink()
    assert terminal.until("in-sync: ").splitlines()[2:5] == before.splitlines()[2:5]
    terminal.resize(40)
    terminal.until("Daemon: ")
    terminal.press("", "C-c")
    assert "Traceback" not in terminal.until("$")


def test_what_is_longer_than_the_terminal_is_paged(terminal: Terminal) -> None:
    if shutil.which("less") is None:
        pytest.skip("there is no less here")
    terminal.type("dockcfgctl effective; echo exit $?")
    screen = terminal.until("runs\n\nstorage-driver")
    assert "exit" not in screen
    terminal.press("q")
    terminal.until("exit 0")
    terminal.type("clear; dockcfgctl effective --no-pager; echo exit $?")
    terminal.until("exit 0")
    terminal.type("clear; dockcfgctl history; echo exit $?")
    terminal.until("exit 0")  # one screen or less needs no pager


@pytest.mark.parametrize(
    ("setting", "coloured"), [("A=1", True), ("NO_COLOR=1", False), ("TERM=dumb", False)]
)
def test_colours(setting: str, *, coloured: bool, house: House) -> None:
    name = wanted(house, "[engine]\nmax-concurrent-uploads = 7")
    house.ctl("apply", "--yes", str(house.folder / name))
    with Terminal(house.folder, house.environment) as terminal:
        terminal.type(f"export {setting}; clear; dockcfgctl status; echo exit $?")
        terminal.until("exit 0")
        assert ("\x1b[32min-sync" in terminal.screen(colours=True)) == coloured


def test_a_terminal_that_knows_no_utf_8(terminal: Terminal) -> None:
    terminal.type("export LANG=C; clear; dockcfgctl history; dockcfgctl tree; echo exit $?")
    assert terminal.until("exit 0").isascii()


def test_tab_completes(terminal: Terminal) -> None:
    terminal.type("source <(dockcfgctl completion bash); clear")
    terminal.until("$")
    terminal.press("dockcfgctl hist", "Tab")
    terminal.until("$ dockcfgctl history")
    terminal.press("--js", "Tab")
    terminal.until("$ dockcfgctl history --json")
