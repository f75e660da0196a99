from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from disk import Filesystem
from images import make_busybox, make_image
from machine import CommandFailed, Machine, probe, wait_for
from roots import SUITES, cache_folder

HERE = Path(__file__).parent
NewMachine = Callable[..., Machine]

_VERSIONS = {"bookworm": "20.10.", "trixie": "26.1.", "forky": "28.5."}


@pytest.mark.suite(*SUITES)
def test_the_engine_of_the_release_runs_under_systemd(module_machine: Machine, suite: str) -> None:
    state = module_machine.run("systemctl is-system-running").stdout.strip()
    version = module_machine.docker("version", "--format", "{{.Server.Version}}")
    assert state == "running"
    assert version.startswith(_VERSIONS[suite])
    assert module_machine.docker("info", "--format", "{{.Driver}}") == "overlay2"


@pytest.mark.suite(*SUITES)
def test_containers_have_ports_networks_and_outlive_their_engine(module_machine: Machine) -> None:
    make_busybox(module_machine)
    module_machine.docker("network", "create", "inner")
    serve = "echo here > /tmp/index.html; exec httpd -f -h /tmp"
    run = ("run", "--detach", "--network=inner", "--name=web", "--publish=8080:80", "busybox")
    module_machine.docker(*run, "sh", "-c", serve)
    fetch = "busybox wget -qO- http://127.0.0.1:8080/"
    wait_for(lambda: module_machine.run(fetch, check=False).stdout == "here\n", what="page")
    ask = ("run", "--rm", "--network=inner", "busybox", "wget", "-qO-", "http://web/")
    assert module_machine.docker(*ask) == "here"

    module_machine.write("/etc/docker/daemon.json", '{"live-restore": true}')
    module_machine.run("systemctl reload docker")
    enabled = ("info", "--format", "{{.LiveRestoreEnabled}}")
    wait_for(lambda: module_machine.docker(*enabled) == "true", what="live-restore")
    before = module_machine.docker("inspect", "--format", "{{.State.Pid}}", "web")
    module_machine.run("systemctl restart docker")
    state = module_machine.docker("inspect", "--format", "{{.State.Running}} {{.State.Pid}}", "web")
    assert state == f"true {before}"
    assert module_machine.run(fetch).stdout == "here\n"
    module_machine.docker("rm", "--force", "web")


@pytest.mark.suite(*SUITES)
def test_images_have_the_layers_asked_for_and_the_same_id_again(module_machine: Machine) -> None:
    first = make_image(module_machine, "layered", layers_mb=[2, 0.5])
    sizes = module_machine.docker(
        "run", "--rm", "layered", "stat", "-c", "%s", "/layer-1", "/layer-2"
    )
    assert sizes.split() == [str(2 << 20), str(1 << 19)]
    module_machine.docker("image", "rm", "layered")
    assert make_image(module_machine, "layered", layers_mb=[2, 0.5]) == first


@pytest.mark.suite(*SUITES)
def test_a_crash_ends_everything_and_keeps_what_was_written(machine: Machine) -> None:
    make_busybox(machine)
    machine.docker("run", "--detach", "--name=sleeper", "busybox", "sleep", "1000")
    machine.write("/etc/written", "before\n")

    machine.kill()

    assert not machine.running
    assert machine.read("/etc/written") == "before\n"
    machine.write("/etc/written-while-off", "between\n", mode=0o600)
    machine.boot()
    assert machine.read("/etc/written-while-off") == "between\n"
    state = machine.docker("inspect", "--format", "{{.State.Running}}", "sleeper")
    assert state == "false"
    machine.docker("start", "sleeper")
    boots = machine.run("journalctl --list-boots --no-pager | grep -c UTC").stdout.strip()
    assert boots == "2"


def test_a_reboot_is_orderly_and_restart_policies_hold(machine: Machine) -> None:
    make_busybox(machine)
    forever = ("run", "--detach", "--init", "--restart=always", "--name=forever", "busybox")
    machine.docker(*forever, "sleep", "1000")
    before = machine.pid

    machine.reboot()

    assert machine.pid != before
    assert machine.docker("inspect", "--format", "{{.State.Running}}", "forever") == "true"
    last = machine.journal("docker.service", boot="-1")
    assert "Deactivated successfully" in last


@pytest.mark.parametrize("data", ["ext4", "xfs"])
def test_a_power_cut_loses_exactly_what_was_not_synced(
    suite: str, new_machine: NewMachine, data: str
) -> None:
    machine = new_machine(suite, data=data)
    machine.boot()
    for folder in ("/root", "/var/lib/docker"):
        machine.run(f"echo kept > {folder}/synced && sync {folder}/synced {folder}")
        machine.run(f"echo gone > {folder}/unsynced")
        assert machine.read(f"{folder}/unsynced") == "gone\n"

    machine.power_cut()

    assert not machine.running
    machine.boot()
    for folder in ("/root", "/var/lib/docker"):
        assert machine.read(f"{folder}/synced") == "kept\n"
        assert machine.run(["cat", f"{folder}/unsynced"], check=False).stdout == ""


@pytest.mark.parametrize(
    ("data", "driver"), [("btrfs", "overlay2"), ("ext4-without-d_type", "fuse-overlayfs")]
)
def test_the_engine_may_have_another_filesystem(
    suite: str, new_machine: NewMachine, data: str, driver: str
) -> None:
    machine = new_machine(suite, data=data, size_mb=1024, folders=["/srv/engine"])
    machine.boot()
    assert machine.docker("info", "--format", "{{.Driver}}") == driver
    kinds = machine.run("stat -f -c %T /var/lib/docker /srv/engine").stdout.split()
    assert kinds[0] == kinds[1] != "overlayfs"
    with pytest.raises(ValueError, match="not ext4 or xfs"):
        machine.power_cut()


@pytest.mark.suite(*SUITES)
def test_packages_install_from_a_file_without_a_network(
    module_machine: Machine, tmp_path: Path
) -> None:
    control = tmp_path / "tree/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        textwrap.dedent("""\
        Package: probe
        Version: 1
        Architecture: all
        Maintainer: nobody <nobody@localhost>
        Depends: docker.io | docker-ce, python3-pydbus, python3-gi, python3-watchdog,
         python3-structlog, python3-tomli-w, python3-zstandard, python3-pydantic, dbus
        Description: a probe
        """)
    )
    document = tmp_path / "tree/usr/share/doc/probe/README"
    document.parent.mkdir(parents=True)
    document.write_text("read\n")
    package = tmp_path / "probe_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tmp_path / "tree", package], check=True)

    module_machine.install_deb(package)

    status = module_machine.run("dpkg-query -W -f '${Status}' probe").stdout
    assert status == "install ok installed"
    assert module_machine.read("/usr/share/doc/probe/README") == "read\n"


def test_a_failed_command_says_what_it_said(module_machine: Machine) -> None:
    with pytest.raises(CommandFailed, match="no such luck"):
        module_machine.run("echo no such luck >&2; exit 3")
    assert module_machine.run("exit 3", check=False).returncode == 3
    assert module_machine.run(["tr", "a", "b"], input="banana").stdout == "bbnbnb"


def test_a_command_that_takes_too_long_is_killed_with_its_children(module_machine: Machine) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        module_machine.run("sleep 4321 & wait", timeout=0.5)
    wait_for(
        lambda: module_machine.run(["pgrep", "-f", "sleep 4321"], check=False).returncode == 1,
        what="end of the children",
    )


def test_what_explains_a_failure_is_collected_running_or_not(
    machine: Machine, tmp_path: Path
) -> None:
    machine.write("/etc/docker/daemon.json", '{"debug": true}')
    machine.collect(tmp_path / "running")
    machine.kill()
    machine.collect(tmp_path / "off")
    for folder in (tmp_path / "running", tmp_path / "off"):
        assert "Docker Application Container Engine" in (folder / "journal.txt").read_text()
        with tarfile.open(folder / "files.tar") as archive:
            kept = archive.extractfile("etc/docker/daemon.json")
            assert kept is not None
            assert kept.read() == b'{"debug": true}'
    assert "docker.service" in (tmp_path / "running/units.txt").read_text()


def test_machines_at_the_same_time_leave_each_other_alone(
    suite: str, new_machine: NewMachine
) -> None:
    first, second = new_machine(suite, data="ext4"), new_machine(suite)
    first.boot()
    second.boot()
    first.power_cut()
    assert second.ping()
    first.boot()
    second.kill()
    assert first.ping()
    assert first.run(["systemctl", "is-system-running"]).stdout == "running\n"


def test_a_closed_machine_leaves_nothing_even_after_a_failure(suite: str) -> None:
    names = []
    disks: tuple[Filesystem, ...] = ("host", "ext4")
    for data in disks:
        with contextlib.suppress(CommandFailed), Machine(suite, data=data) as machine:
            names.append(machine.name)
            machine.boot(until="init")
            assert _traces(machine.name)
            machine.run("exit 1")
    assert [_traces(name) for name in names] == [[], []]


def test_what_a_killed_process_left_is_removed_by_the_next_machine(suite: str) -> None:
    probe(suite)
    script = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
from machine import Machine
machine = Machine({suite!r}, data="ext4").__enter__()
machine.boot(until="systemd")
print(machine.name, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as left:
        assert left.stdout is not None
        name = left.stdout.readline().strip()
        os.kill(left.pid, signal.SIGKILL)
    assert _traces(name)
    with Machine(suite):
        assert _traces(name) == []


def test_without_root_the_reason_is_given() -> None:
    script = f"""
import os, sys
sys.path.insert(0, {str(HERE)!r})
import machine
os.setuid(65534)
try:
    machine.probe()
except machine.MachineUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "cannot make a machine: not root\n"


def _traces(name: str) -> list[str]:
    """Return everything on the host that is of the machine *name*."""
    assert name.startswith("dockcfgd-")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    groups = [
        line.split()[1]
        for line in Path("/proc/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2"
    ]
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    folders = [cache_folder() / "machines" / name, *(Path(group) / name for group in groups)]
    return [
        *(
            line
            for line in mounts + loops.splitlines()
            if f"/{name}/" in f"{line}/".replace(" ", "/")
        ),
        *(str(folder) for folder in folders if folder.exists()),
    ]
