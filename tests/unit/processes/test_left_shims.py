"""Shims that no process of their container is left of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest

from dockcfgd.adapters.left_shims import LeftShims
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.processes import Process
from dockcfgd.processes.roles import left_shim

ID, OTHER = "a1" * 32, "b2" * 32


def shim(
    pid: int, container: str, *, namespace: str = "moby", cgroup: str = "/c.service"
) -> Process:
    words = ("/usr/bin/containerd-shim-runc-v2", "-namespace", namespace, "-id", container)
    return Process(pid, 0, "containerd-shim", words, (cgroup,))


def inside(pid: int, cgroup: str) -> Process:
    return Process(pid, 0, "sleep", ("sleep", "9"), (cgroup,))


class TestFinding:
    def test_the_one_of_the_container(self) -> None:
        listed = [shim(7, OTHER), shim(8, ID), inside(9, f"/system.slice/docker-{OTHER}.scope")]
        assert left_shim(ID, listed) == 8

    def test_with_remapped_users_too(self) -> None:
        assert left_shim(ID, [shim(8, ID, namespace="moby-100000.100000")]) == 8

    @pytest.mark.parametrize("cgroup", [f"/system.slice/docker-{ID}.scope", f"/docker/{ID}/init"])
    def test_not_while_a_process_is_left(self, cgroup: str) -> None:
        assert left_shim(ID, [shim(8, ID), inside(9, cgroup)]) is None

    @pytest.mark.parametrize(
        "listed",
        [
            [],
            [shim(7, OTHER)],
            [shim(8, ID, namespace="k8s.io")],
            [shim(8, ID, cgroup=f"/docker/{OTHER}")],  # of an engine inside a container
            [shim(8, ID), shim(9, ID)],
        ],
    )
    def test_none(self, listed: Sequence[Process]) -> None:
        assert left_shim(ID, listed) is None


class Listing:
    """Gives what it was told, the last of it again and again."""

    def __init__(self, *listed: Sequence[Process]) -> None:
        self._listed = list(listed)

    def processes(self) -> tuple[Process, ...]:
        return tuple(self._listed.pop(0) if len(self._listed) > 1 else self._listed[0])


class TestEnding:
    @pytest.fixture
    def program(self) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(["/bin/sleep", "1000"]) as running:
            yield running
            running.kill()

    def test_it_ends(self, program: subprocess.Popen[bytes]) -> None:
        assert LeftShims(Listing([shim(program.pid, ID)])).end(ID)
        assert program.wait(timeout=5) == -9

    def test_not_one_that_has_a_process(self, program: subprocess.Popen[bytes]) -> None:
        listed = [shim(program.pid, ID), inside(1, f"/docker/{ID}")]
        assert not LeftShims(Listing(listed)).end(ID)
        assert program.poll() is None

    def test_not_what_got_its_number_since(self, program: subprocess.Popen[bytes]) -> None:
        later = [inside(program.pid, "/user.slice")]
        assert not LeftShims(Listing([shim(program.pid, ID)], later)).end(ID)
        assert program.poll() is None

    def test_one_that_has_just_ended(self, program: subprocess.Popen[bytes]) -> None:
        program.kill()
        program.wait()
        assert LeftShims(Listing([shim(program.pid, ID)])).end(ID)

    def test_nothing_is_ended_while_systemd_cannot_be_asked(self) -> None:
        """The engine's refusal is what counts, not a failure of the port that was to mend it."""
        assert not LeftShims(Silent()).end(ID)


class Silent:
    """Cannot list anything."""

    def processes(self) -> tuple[Process, ...]:
        raise SystemdFailure(what="list the processes", name="NoReply", why="no answer")
