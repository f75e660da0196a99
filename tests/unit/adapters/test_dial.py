"""Which ports answer, where a connection ends while it is looked at."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from dockcfgd.adapters import dial

_HOME = "127.0.0.1"
_AT_ONCE = struct.pack("ii", 1, 0)  # l_onoff, l_linger: a reset instead of an end


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((_HOME, 0)) as made:
        yield made


def _port(listener: socket.socket) -> int:
    number: int = listener.getsockname()[1]
    return number


def _reset(listener: socket.socket) -> None:
    taken, _ = listener.accept()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    taken.close()
    time.sleep(0.05)


@pytest.mark.parametrize("moment", [select.POLLOUT, select.POLLIN])
def test_one_that_is_reset_in_between_does_not_answer_and_others_do(
    listener: socket.socket, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = dial._ready  # noqa: SLF001 -- the moment in which it is reset
    taken: list[socket.socket] = []

    def resetting(numbers: set[int], event: int, seconds: float) -> set[int]:
        ready = wait(numbers, event, seconds)
        if event == select.POLLOUT:
            taken.append(other.accept()[0])
        if event == moment:
            _reset(listener)
            for number in numbers:
                # What is pending of it is told once, to whoever asks first.
                with socket.socket(fileno=number) as opened:
                    opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    opened.detach()
        return ready

    monkeypatch.setattr(dial, "_ready", resetting)
    with socket.create_server((_HOME, 0)) as other:
        found = dial.answering([(_HOME, _port(listener)), (_HOME, _port(other))])
    for one in taken:
        one.close()
    assert found == [1]
