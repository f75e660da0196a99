"""What is refused leaves the last good desired state in force, and shows within a second."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.house import House

GOOD = "[engine]\nmax-concurrent-downloads = 5\n"
WRONG = "schema = 1\n[engine]\ndebgu = true\n"


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)


def _others(path: Path) -> None:
    path.write_text("schema = 1\n")
    path.chmod(0o666)


def _foreign(path: Path) -> None:
    path.write_text("schema = 1\n")
    os.chown(path, 1000, 1000)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a slip": (lambda path: path.write_text(WRONG), "no such key"),
    "half a file": (lambda path: path.write_text('schema = 1\n[engine]\nlog-driver = "js'), "TOML"),
    "100 MB": (_huge, "larger than"),
    "a FIFO": (os.mkfifo, "not a regular file"),
    "a folder": (Path.mkdir, "not a regular file"),
    "a link to nowhere": (lambda path: path.symlink_to("/nonexistent"), "leads nowhere"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "in a circle"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "a link to /dev/full": (lambda path: path.symlink_to("/dev/full"), "not a regular file"),
    "writable by all": (_others, "others than root may write it"),
    "of another user": (_foreign, "owned by uid 1000"),
    "no UTF-8": (lambda path: path.write_bytes(b"a = '\xff'"), "not valid UTF-8"),
    "a byte order mark": (lambda path: path.write_bytes(b"\xef\xbb\xbfschema = 1"), "byte order"),
    "NUL bytes": (lambda path: path.write_bytes(b"schema = 1\0"), "not valid TOML"),
    "lists in lists": (lambda path: path.write_text("a = " + "[" * 500_000), "too deeply"),
    "many parts": (lambda path: path.write_text("a." * 500_000 + "b = 1"), "too deeply"),
    "a large number": (lambda path: path.write_text("a = " + "9" * 9000), "too large"),
}


@pytest.mark.timeout(180)
def test_hostile_files_are_refused_within_a_second_and_change_nothing(house: House) -> None:
    house.start()
    house.drop("10-good.toml", GOOD)
    house.until(lambda status: status["condition"] == "in-sync")
    before = house.daemon_json.read_bytes()
    reloads = len(house.systemd.calls("ReloadUnit"))
    for name, (put, message) in HOSTILE.items():
        path = house.conf_d / "50-hostile.toml"
        put(path)
        started = time.monotonic()
        status = house.until(lambda status: status["condition"] == "rejected")
        assert time.monotonic() - started < 1.0, name
        (error,) = status["desired"]["errors"]
        assert error["file"] == str(path), name
        assert message in error["message"], name
        assert house.document("status")["condition"] == "rejected", name
        assert status["applied"]["generation"] == 1, name
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
        house.until(lambda status: status["condition"] == "in-sync")
    assert house.daemon_json.read_bytes() == before
    assert len(house.systemd.calls("ReloadUnit")) == reloads
    assert house.systemd.calls("RestartUnit", "StopUnit") == []


def test_ten_thousand_files_and_an_odd_name(house: House) -> None:
    house.start()
    house.drop("10-good.toml", GOOD)
    house.until(lambda status: status["condition"] == "in-sync")
    odd = house.conf_d / os.fsdecode(b"\xff\x1b[31m.toml")
    odd.write_text("schema = 1\n")
    status = house.until(lambda status: status["condition"] == "rejected")
    assert "unprintable" in status["desired"]["errors"][0]["message"]
    shown = house.ctl("status").stdout
    assert "unprintable" in shown
    assert "\x1b" not in shown
    odd.unlink()
    house.until(lambda status: status["condition"] == "in-sync")

    for number in range(10_000):
        (house.conf_d / f"{number}.toml").touch()
    started = time.monotonic()
    status = house.until(
        lambda status: (
            status["condition"] == "rejected"
            and "10001 files" in status["desired"]["errors"][0]["message"]
        )
    )
    assert time.monotonic() - started < 5.0
    assert len(status["desired"]["errors"]) == 1
    assert json.loads(house.daemon_json.read_text()) == {"max-concurrent-downloads": 5}


def test_a_file_that_is_completed_is_taken(house: House) -> None:
    house.start()
    path = house.conf_d / "10-slow.toml"
    with path.open("w") as file:
        file.write('schema = 1\n[engine]\nmax-concurrent-downloads = 5\nlabels = ["a=')
        file.flush()
        house.until(lambda status: status["condition"] == "rejected")
        assert not house.daemon_json.exists()
        file.write('b"]\n')
    house.until(lambda status: status["condition"] == "in-sync")
    assert json.loads(house.daemon_json.read_text()) == {
        "max-concurrent-downloads": 5,
        "labels": ["a=b"],
    }


def test_a_link_to_a_file_of_root_elsewhere_is_taken(house: House) -> None:
    house.start()
    elsewhere = house.folder / "site.toml"
    elsewhere.write_text(f"schema = 1\n{GOOD}")
    (house.conf_d / "10-link.toml").symlink_to(elsewhere)
    house.until(lambda status: status["condition"] == "in-sync")
    assert json.loads(house.daemon_json.read_text()) == {"max-concurrent-downloads": 5}


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a": ' * 300 + "1" + "}" * 300])
def test_a_deeply_nested_daemon_json_is_refused_by_name(house: House, text: str) -> None:
    house.daemon_json.write_text(text)
    house.start()
    house.drop("10-good.toml", GOOD)
    status = house.until(lambda status: status["condition"] == "rejected")
    assert status["reason"].startswith(f"{house.daemon_json}: ")
    assert "nested too deeply" in status["reason"]
    assert house.daemon_json.read_text() == text
    for verb in ("plan", "history", "doctor", "effective", "import"):
        done = house.ctl(verb)
        assert "Traceback" not in done.stderr, (verb, done.stderr)
    assert "Traceback" not in house.log()
