from __future__ import annotations

import json
import os
import time
import tomllib

from tests.integration.house import House

RELOAD = "[engine]\nmax-concurrent-downloads = 5\n"
RESTART = '[engine]\nlog-driver = "local"\n[verify]\nsettle = "1s"\n'


def verdict(status: dict[str, object]) -> object:
    last = status["last"]
    return last["verdict"] if isinstance(last, dict) else None


def test_an_unmanaged_host_is_left_alone(house: House) -> None:
    house.start()
    status = house.status()
    assert (status["condition"], status["phase"], status["last"]) == ("unmanaged", "idle", None)
    assert status["engine"]["active"] is True
    assert not house.daemon_json.exists()
    assert house.systemd.calls("ReloadUnit", "RestartUnit", "StartUnit", "StopUnit") == []
    assert (house.folder / "run/status.txt").read_text()


def test_a_dropped_file_is_seen_applied_and_proven(house: House) -> None:
    house.daemon_json.write_text('{"labels": ["rack=7"]}')
    house.start()
    house.drop("one.toml", RELOAD)
    status = house.until(lambda status: status["condition"] == "in-sync")
    assert (verdict(status), status["last"]["impact"]) == ("applied", "reload")
    assert status["applied"]["generation"] == status["desired"]["generation"] == 1
    assert json.loads(house.daemon_json.read_text()) == {
        "labels": ["rack=7"],
        "max-concurrent-downloads": 5,
    }
    assert len(house.systemd.calls("ReloadUnit")) == 1
    assert house.systemd.calls("RestartUnit", "StopUnit") == []


def test_a_dropped_file_shows_within_a_second(house: House) -> None:
    house.start()
    took = []
    for number in range(3):  # other tests may have the processors meanwhile
        house.drop(f"{number}.toml", "[engine]\n")
        dropped = time.monotonic()
        house.until(lambda status, number=number: len(status["desired"]["files"]) > number)  # type: ignore[misc]
        took.append(time.monotonic() - dropped)
    assert min(took) < 1.0, took


def test_a_restart_is_done_once(house: House) -> None:
    house.start()
    house.drop("one.toml", RESTART)
    status = house.until(lambda status: status["condition"] == "in-sync")
    assert (verdict(status), status["last"]["impact"]) == ("applied", "restart")
    assert len(house.systemd.calls("RestartUnit")) == 1


def test_a_typo_is_refused_before_anything_is_touched(house: House) -> None:
    house.start()
    path = house.drop("one.toml", "[engine]\nmax-concurrent-download = 5")
    status = house.until(lambda status: status["condition"] == "rejected")
    error = status["desired"]["errors"][0]
    assert (error["file"], error["line"]) == (str(path), 3)
    assert "max-concurrent-downloads" in error["message"] + error["hint"]
    assert not house.daemon_json.exists()
    assert house.systemd.calls("ReloadUnit", "RestartUnit", "Reload") == []


def test_an_engine_that_does_not_start_is_put_back(house: House) -> None:
    house.daemon_json.write_text('{"labels": ["rack=7"]}')
    house.start()
    house.drop("one.toml", '[engine]\nmetrics-addr = "127.0.0.1:9323"\n[verify]\nsettle = "1s"\n')
    status = house.until(lambda status: status["condition"] == "rejected")
    assert verdict(status) == "rolled-back"
    assert json.loads(house.daemon_json.read_text()) == {"labels": ["rack=7"]}
    assert status["engine"]["active"] is True
    assert house.systemd.unit("docker.service")["ActiveState"] == "active"


def test_a_hand_edit_is_put_back(house: House) -> None:
    house.start()
    house.drop("one.toml", RELOAD)
    house.until(lambda status: status["condition"] == "in-sync")
    house.daemon_json.write_text('{"max-concurrent-downloads": 7, "labels": ["mine"]}')
    house.until(
        lambda _: (
            json.loads(house.daemon_json.read_text())
            == {"max-concurrent-downloads": 5, "labels": ["mine"]}
        )
    )
    house.until(lambda status: status["condition"] == "in-sync")


def test_a_hand_edit_is_adopted(house: House) -> None:
    house.start()
    house.drop("10-one.toml", f'{RELOAD}[policy]\non-drift = "adopt"')
    house.until(lambda status: status["condition"] == "in-sync")
    text = '{"max-concurrent-downloads":7, "labels": ["mine"]}'
    house.daemon_json.write_text(text)
    adopted = house.conf_d / "90-adopted.toml"
    status = house.until(
        lambda status: status["applied"]["generation"] == 2 and status["condition"] == "in-sync"
    )
    assert tomllib.loads(adopted.read_text())["engine"] == {"max-concurrent-downloads": 7}
    assert house.daemon_json.read_text() == text
    assert (verdict(status), status["last"]["reason"]) == (
        "applied",
        "adopted: max-concurrent-downloads",
    )
    assert len(house.systemd.calls("ReloadUnit")) == 2


def test_a_status_that_could_not_be_written_is_written_later(house: House) -> None:
    house.start()
    blocked = house.folder / "run/.status.json.new"
    blocked.mkdir()
    typo = house.drop("one.toml", "[engine]\nlog-dirver = 1")
    refused = time.monotonic() + 15
    while "status.unwritable" not in house.log() or "desired.refused" not in house.log():
        assert time.monotonic() < refused
        time.sleep(0.1)
    said = house.ctl("status")
    first = "pending: files changed, not looked at yet:"
    assert (said.returncode, said.stdout[: len(first)]) == (4, first)
    blocked.rmdir()
    status = house.until(lambda status: status["condition"] == "rejected")
    assert status["desired"]["errors"][0]["file"] == str(typo)


def test_a_second_daemon_is_refused(house: House) -> None:
    house.start()
    before = house.status()
    second = house.start(ready=False)
    assert second.wait(timeout=15) == os.EX_TEMPFAIL
    assert "another dockcfgd is at work" in house.log()
    assert house.status()["daemon"] == before["daemon"]


def test_of_several_daemons_started_at_once_one_does_the_work(house: House) -> None:
    house.drop("one.toml", RESTART)
    daemons = [house.start(ready=False) for _ in range(4)]
    status = house.until(lambda status: status["condition"] == "in-sync")
    ended = [daemon.wait(timeout=15) for daemon in daemons if daemon.pid != status["daemon"]["pid"]]
    assert ended == [os.EX_TEMPFAIL] * 3
    assert verdict(status) == "applied"
    assert len(house.systemd.calls("RestartUnit")) == 1
    assert house.log().count("transaction.begins") == 1


def test_ends_in_order(house: House) -> None:
    daemon = house.start()
    daemon.terminate()
    assert daemon.wait(timeout=15) == 0
    assert house.ctl("status").returncode == 3


def test_a_lost_bus_ends_it(house: House) -> None:
    daemon = house.start()
    house.bus.stop()
    assert daemon.wait(timeout=15) == 1


def test_a_lost_bus_ends_it_in_the_middle_of_a_change(house: House) -> None:
    daemon = house.start()
    house.systemd.rules(delay=5.0)
    house.drop("one.toml", RESTART)
    house.until(lambda status: len(house.systemd.calls("RestartUnit")) == 1 and bool(status))
    house.bus.stop()
    assert daemon.wait(timeout=15) == 1
    assert "Traceback" not in house.log()


def test_killed_in_the_middle_it_recovers(house: House) -> None:
    daemon = house.start()
    house.systemd.rules(delay=3.0)
    house.drop("one.toml", RESTART)
    house.until(lambda status: len(house.systemd.calls("RestartUnit")) == 1 and bool(status))
    daemon.kill()
    daemon.wait()
    house.systemd.rules(delay=0.0)
    house.start()
    status = house.until(lambda status: status["condition"] in {"in-sync", "degraded"})
    assert verdict(status) == "rolled-back"
    assert house.systemd.unit("docker.service")["ActiveState"] == "active"
    assert not house.daemon_json.exists()
