"""What the real adapter measures, against what the host's own tools and calls say."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dockcfgd.adapters.processes import HostProcesses
from dockcfgd.adapters.vitals import HostVitals
from dockcfgd.model.files import FileKind
from dockcfgd.model.processes import Process
from dockcfgd.ports import Processes, Vitals
from dockcfgd.processes.roles import is_engine
from tests.fakes.files import FakeFiles
from tests.fakes.processes import FakeProcesses
from tests.fakes.vitals import FakeVitals


def test_the_fakes_are_such_ports() -> None:
    vitals: list[Vitals] = [HostVitals(), FakeVitals(FakeFiles())]
    processes: list[Processes] = [HostProcesses(), FakeProcesses()]
    assert all(one.kernel().release for one in vitals)
    assert all(isinstance(one.list(), tuple) for one in processes)


def test_space_of_a_folder_and_of_one_that_is_not_there_yet(tmp_path: Path) -> None:
    space = HostVitals().space(str(tmp_path))
    assert space is not None
    assert space.device == tmp_path.stat().st_dev
    assert 0 < space.free_bytes <= space.total_bytes
    later = HostVitals().space(str(tmp_path / "a/b"))
    assert later is not None
    assert later.total_bytes == space.total_bytes


def test_usage_counts_each_file_once_and_stays_on_its_filesystem(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "file").write_bytes(bytes(1 << 20))
    os.link(one / "file", two / "again")
    (one / "link").symlink_to("/usr")
    usage = HostVitals().usage([str(one), str(two), str(tmp_path / "none")], seconds=10)
    assert usage is not None
    assert usage.complete
    assert 1 << 20 <= usage.bytes < 2 << 20
    some = HostVitals().usage([str(one)], seconds=-1)
    assert some is not None
    assert not some.complete


def test_what_is_not_for_this_user_is_none(tmp_path: Path) -> None:
    for folder in (tmp_path.parent, tmp_path):
        folder.chmod(0o755)
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed/file").touch()
    os.setresuid(65534, 65534, 0)
    try:
        usage = HostVitals().usage([str(tmp_path)], seconds=10)
        owner = HostVitals().owner(str(tmp_path / "closed/file"))
    finally:
        os.setresuid(0, 0, 0)
    assert (usage, owner) == (None, None)


@pytest.mark.parametrize("path", ["/srv/a\0b", "/srv/\ud800"])
def test_nothing_is_seen_of_a_path_that_cannot_be(path: str) -> None:
    vitals = HostVitals()
    assert vitals.space(path) is None
    assert vitals.usage([path], seconds=1) is None
    assert vitals.owner(path) is None


def test_owners(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o640)
    seen = HostVitals().owner(str(file))
    assert seen is not None
    assert (seen.kind, seen.uid, seen.mode) == (FileKind.REGULAR, os.getuid(), 0o640)
    assert seen.mtime == file.stat().st_mtime
    folder, none, device = (HostVitals().owner(p) for p in (str(tmp_path), "/none", "/dev/null"))
    assert folder is not None
    assert none is not None
    assert device is not None
    kinds = (folder.kind, none.kind, device.kind)
    assert kinds == (FileKind.DIRECTORY, FileKind.ABSENT, FileKind.SPECIAL)


def test_the_kernel() -> None:
    kernel = HostVitals().kernel()
    assert kernel.release == platform.release()
    assert kernel.cgroups == (2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1)
    assert kernel.synchronized in {True, False, None}


def test_interfaces_and_mounts() -> None:
    names = {one.name for one in HostVitals().interfaces()}
    assert names == {name for name in os.listdir("/sys/class/net") if name != "lo"}  # noqa: PTH208
    assert all(one.mtu > 0 for one in HostVitals().interfaces())
    assert ("/proc", "proc") in {(one.point, one.filesystem) for one in HostVitals().mounts()}


def test_this_process_is_among_the_processes() -> None:
    (own,) = (one for one in HostProcesses().list() if one.pid == os.getpid())
    assert own.parent == os.getppid()
    assert own.memory > 1 << 20
    line = Path("/proc/self/cmdline").read_bytes().decode()
    assert own.arguments == tuple(line.removesuffix("\0").split("\0"))


def test_a_process_may_call_itself_anything() -> None:
    name = "x\x1cVmRSS:z"
    rename = f"open('/proc/self/comm', 'w').write({name!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (seen,) = (one for one in HostProcesses().list() if one.pid == process.pid)
        process.communicate(b"\n")
    assert seen.name == name


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a process of another user")
def test_a_dockerd_of_another_user_is_not_the_hosts_engine() -> None:
    """As in rootless mode; the own one may be stopped, and a question would start it."""
    # Not below tmp_path, which is root's alone.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = shutil.copy("/bin/sleep", f"{folder}/dockerd")
        seen, of_user, of_root = _two_of(program)
    assert not is_engine(seen[of_user])
    assert is_engine(seen[of_root])


def _two_of(program: str) -> tuple[dict[int, Process], int, int]:
    """Give the processes of the engine's name, one of them another user's and one root's."""
    with (
        subprocess.Popen([program, "60"], user=1000) as of_user,
        subprocess.Popen([program, "60"]) as of_root,
    ):
        seen = {one.pid: one for one in HostProcesses().list() if one.name == "dockerd"}
        of_user.kill()
        of_root.kill()
    return seen, of_user.pid, of_root.pid
