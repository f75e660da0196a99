"""A history that is damaged, of a newer release, or out of reach: the daemon runs and says so."""

from __future__ import annotations

import json
import signal
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from tests.integration.house import House

WANTED = "[engine]\nmax-concurrent-downloads = {}"


def begun(house: House) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Let a first state be in force."""
    daemon = house.start()
    house.drop("one.toml", WANTED.format(5))
    house.until(lambda status: status["condition"] == "in-sync")
    return daemon, json.loads(house.daemon_json.read_text())


def stop(daemon: subprocess.Popen[str]) -> None:
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0


def test_a_damaged_one_waits_for_a_word(house: House) -> None:
    daemon, before = begun(house)
    stop(daemon)
    state = house.folder / "state/state.db"
    state.write_bytes(b"no database here" * 100)
    house.drop("one.toml", WANTED.format(6))
    house.start()
    status = house.until(lambda status: status["condition"] == "degraded")
    assert f"is now {state}.damaged-" in status["reason"]
    assert json.loads(house.daemon_json.read_text()) == before
    (aside,) = state.parent.glob("state.db.damaged-*")
    assert aside.read_bytes() == b"no database here" * 100
    assert house.ctl("plan").returncode == 0
    assert house.ctl("apply").returncode == 0
    house.until(lambda status: status["condition"] == "in-sync")
    assert json.loads(house.daemon_json.read_text()) == {"max-concurrent-downloads": 6}
    assert house.document("show", "0")["files"][0]["text"] == json.dumps(before, indent=2) + "\n"


def test_a_newer_one_is_left_alone(house: House) -> None:
    daemon, before = begun(house)
    stop(daemon)
    state = house.folder / "state/state.db"
    with sqlite3.connect(state) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    content = state.read_bytes()
    house.drop("one.toml", WANTED.format(6))
    daemon = house.start()
    status = house.until(lambda status: status["condition"] == "degraded")
    assert "it was written by a newer dockcfgd (schema 99); install that one" in status["reason"]
    done = house.ctl("apply")
    assert done.returncode == 1
    assert "newer dockcfgd" in done.stdout + done.stderr
    assert json.loads(house.daemon_json.read_text()) == before
    assert state.read_bytes() == content
    for verb in (["history"], ["show"], ["diff", "0"]):
        assert "newer dockcfgd" in house.ctl(*verb).stderr
    stop(daemon)


def test_one_out_of_reach_is_used_as_soon_as_it_can_be(house: House) -> None:
    (house.folder / "state").write_text("in the way")
    daemon = house.start()
    house.drop("one.toml", WANTED.format(5))
    status = house.until(lambda status: status["condition"] == "degraded")
    assert str(house.folder / "state") in status["reason"]
    assert not house.daemon_json.exists()
    (house.folder / "state").unlink()
    assert house.ctl("apply").returncode == 0
    assert json.loads(house.daemon_json.read_text()) == {"max-concurrent-downloads": 5}
    assert daemon.poll() is None
