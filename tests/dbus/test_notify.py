from __future__ import annotations

import os
import socket
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.notify import Notifier

if TYPE_CHECKING:
    from pathlib import Path


def listener(address: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(address.replace("@", "\0", 1))
    channel.settimeout(5)
    return channel


@pytest.mark.parametrize("place", ["path", "abstract"])
def test_messages(tmp_path: Path, place: str) -> None:
    address = f"@{uuid.uuid4()}" if place == "abstract" else str(tmp_path / "notify")
    with closing(listener(address)) as channel:
        notifier = Notifier({"NOTIFY_SOCKET": address})
        sent = [
            notifier.ready("in sync,\n3 keys"),
            notifier.status("migrating 4/17"),
            notifier.watchdog(),
            notifier.extend_timeout(1.5),
            notifier.stopping(),
        ]
        assert [channel.recv(500).decode() for _ in sent] == [
            "READY=1\nSTATUS=in sync, 3 keys",
            "STATUS=migrating 4/17",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=1500000",
            "STOPPING=1",
        ]
        assert sent == [True] * 5


def test_a_long_status_fits_into_what_systemd_reads(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with closing(listener(address)) as channel:
        notifier = Notifier({"NOTIFY_SOCKET": address})
        assert notifier.ready("é" * 5000)
        told = channel.recv(20_000)
        assert len(told) <= 4096
        assert told.decode().startswith("READY=1\nSTATUS=éé")
        assert told.decode().endswith("é…")


@pytest.mark.parametrize("text", ["a\udcffb", "a\0b"])
def test_half_a_character_or_none_keeps_nothing_from_being_told(tmp_path: Path, text: str) -> None:
    address = str(tmp_path / "notify")
    with closing(listener(address)) as channel:
        assert Notifier({"NOTIFY_SOCKET": address}).ready(text)
        assert channel.recv(500) == b"READY=1\nSTATUS=a?b"


def test_children_cannot_speak_for_us() -> None:
    environment = {
        "NOTIFY_SOCKET": "/nowhere",
        "WATCHDOG_USEC": "60000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    notifier = Notifier(environment)
    assert environment == {"PATH": "/bin"}
    assert notifier.watchdog_interval == 30


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_ours_only(environment: dict[str, str], interval: float | None) -> None:
    assert Notifier(environment).watchdog_interval == interval


def test_without_a_supervisor_nothing_is_sent(tmp_path: Path) -> None:
    assert not Notifier({}).ready("fine")
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("fine")
