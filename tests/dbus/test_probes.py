from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.probes import UnitProbes
from dockcfgd.model.errors import SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockcfgd.adapters.systemd import SystemdBus
    from dockcfgd.model.probes import Endpoint
    from tests.support.private_bus import FakeSystemd

pytestmark = pytest.mark.dbus


@pytest.fixture
def probes(systemd: SystemdBus, tmp_path: Path) -> UnitProbes:
    return UnitProbes(systemd, str(tmp_path))


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[Endpoint]:
    """Take connections and keep them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kept: list[socket.socket] = []
    with socket.create_server((address, 0), family=family) as server:

        def serve() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield address, server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in kept:
                one.close()


@contextmanager
def ignoring(address: str = "127.0.0.1") -> Iterator[Endpoint]:
    """Listen and take no connection, as the engine does without its proxy."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        yield address, server.getsockname()[1]


@contextmanager
def dropping() -> Iterator[Endpoint]:
    """Take connections and drop them, as the engine's proxy does where nobody is behind it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "127.0.0.1", server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def nobody() -> Iterator[Endpoint]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "127.0.0.1", bound.getsockname()[1]


class TestPorts:
    def test_those_that_take_a_connection_and_keep_it(self, probes: UnitProbes) -> None:
        with listening() as here, listening("::1") as six, dropping() as drops, nobody() as none:
            asked = (none, here, drops, six)
            assert probes.answering(asked) == {here, six}

    def test_one_that_no_program_takes_does_not(self, probes: UnitProbes) -> None:
        with listening() as here, ignoring() as four, ignoring("::1") as six:
            for _ in range(2):
                assert probes.answering([four, here, six]) == {here}

    def test_one_that_speaks_first_answers(self, probes: UnitProbes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet() -> None:
                opened, _ = server.accept()
                opened.sendall(b"220 ready\r\n")
                opened.close()

            thread = threading.Thread(target=greet)
            thread.start()
            endpoint = ("127.0.0.1", int(server.getsockname()[1]))
            assert probes.answering([endpoint]) == {endpoint}
            thread.join()

    def test_more_than_one_program_can_be_told_of(self, probes: UnitProbes) -> None:
        with listening() as here, nobody() as none:
            many = [("127.0.0.2", port) for port in range(1, 1200)]
            assert here in probes.answering([*many, none, here])

    def test_fifty_take_no_time_to_speak_of(self, probes: UnitProbes) -> None:
        with ExitStack() as stack:
            asked = [stack.enter_context(listening()) for _ in range(50)]
            begin = time.monotonic()
            assert probes.answering(asked) == set(asked)
            assert time.monotonic() - begin < 1.5  # 0.1 s on an idle machine


class TestCommands:
    def test_that_exits_0(self, probes: UnitProbes, tmp_path: Path) -> None:
        assert probes.run("echo well && test $HOME = /root", timeout=5).good
        assert list(tmp_path.iterdir()) == []

    def test_that_fails(self, probes: UnitProbes) -> None:
        end = probes.run("echo first; echo it is broken >&2; exit 3", timeout=5)
        assert (end.good, end.not_run) == (False, False)
        assert end.why == "exited 3"

    def test_that_cannot_be_run(self, probes: UnitProbes) -> None:
        end = probes.run("no-such-program --here", timeout=5)
        assert end.not_run
        assert end.why == "exited 127"

    def test_of_many_lines_is_told_of_in_one(self, probes: UnitProbes, fake: FakeSystemd) -> None:
        command = "for word in one two; do\n  echo $word\ndone\n" + "# long\n" * 99 + "exit 4"
        assert probes.run(command, timeout=5).why == "exited 4"
        (call,) = fake.calls("StartTransientUnit")
        assert call[-1].startswith("the command `for word in one two; do echo $word done # long")
        assert call[-1].endswith(" …`")
        assert len(call[-1]) < 140

    def test_that_does_not_end(self, probes: UnitProbes) -> None:
        begin = time.monotonic()
        end = probes.run("exec sleep 60", timeout=0.5)
        assert time.monotonic() - begin < 5
        assert end.text == "did not end within 0 s"

    def test_that_is_killed(self, probes: UnitProbes) -> None:
        assert probes.run("kill -9 $$", timeout=5).text == "was ended (signal)"

    def test_leaves_no_unit_behind(self, probes: UnitProbes, fake: FakeSystemd) -> None:
        for command in ("true", "false"):
            probes.run(command, timeout=5)
        names = [call[1] for call in fake.calls("StartTransientUnit")]
        assert len(set(names)) == 2
        assert [call[1] for call in fake.calls("UnrefUnit")] == names

    def test_that_systemd_does_not_start(self, probes: UnitProbes, fake: FakeSystemd) -> None:
        fake.rules(errors={"StartTransientUnit": "org.freedesktop.DBus.Error.AccessDenied"})
        with pytest.raises(SystemdFailure, match="cannot run the command `true`"):
            probes.run("true", timeout=5)
