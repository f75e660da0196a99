"""The package on a machine: installed, upgraded, removed, purged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import Machine, wait_for

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]

STATE = "/var/lib/dockcfgd"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
UNIT = "dockcfgd.service"
OLD, NEW = '{"debug": true}\n', '{"debug": false}\n'


@pytest.fixture
def deb(suite: str, build_deb: Callable[[str], Path]) -> Path:
    return build_deb("bookworm" if suite == "bookworm" else "trixie")


def engine(machine: Machine) -> str:
    return machine.unit("docker.service", "InvocationID")["InvocationID"]


def assert_runs(machine: Machine) -> None:
    wait_for(lambda: machine.unit(UNIT)["ActiveState"] == "active", what="active dockcfgd.service")
    pid = machine.unit(UNIT)["MainPID"]
    time.sleep(3)
    seen = machine.unit(UNIT, "ActiveState", "SubState", "NRestarts", "MainPID", "Result")
    assert seen == {
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "MainPID": pid,
        "Result": "success",
    }, machine.journal(UNIT)


def test_installed_service_runs_and_touches_nothing(machine: Machine, deb: Path) -> None:
    before = engine(machine)
    had_configuration = machine.exists("/etc/docker/daemon.json")

    machine.install_deb(deb)

    assert_runs(machine)
    assert machine.run(["systemctl", "is-enabled", UNIT]).stdout == "enabled\n"
    assert engine(machine) == before
    assert machine.exists("/etc/docker/daemon.json") == had_configuration
    assert not machine.exists(DROP_IN)
    status = machine.run(["dockcfgctl", "status"])
    assert "unmanaged" in status.stdout
    machine.reboot()
    assert_runs(machine)


def test_status_can_be_asked_by_anyone(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    asked = machine.run([*as_nobody, "dockcfgctl", "status", "--json"])
    assert '"condition": "unmanaged"' in asked.stdout


def test_bundled_modules_are_for_the_service_alone(machine: Machine, deb: Path, suite: str) -> None:
    machine.install_deb(deb)
    for_others = machine.run(["/usr/bin/python3", "-c", "import pydantic; print(pydantic.VERSION)"])
    assert for_others.stdout.startswith("1." if suite == "bookworm" else "2.")
    assert machine.run(["/usr/bin/python3", "-c", "import dockcfgd"], check=False).returncode == 1
    script = (
        "import sys; sys.path += ['/usr/lib/dockcfgd/python', '/usr/lib/python3/dist-packages'];"
        "import pydantic; print(pydantic.VERSION)"
    )
    assert machine.run(["/usr/bin/python3", "-ISc", script]).stdout.startswith("2.")


def test_installing_again_restarts_the_service_and_not_the_engine(
    machine: Machine, deb: Path
) -> None:
    machine.install_deb(deb)
    first, before = machine.unit(UNIT)["MainPID"], engine(machine)
    machine.run(["dpkg", "--install", f"/root/{deb.name}"])
    assert machine.unit(UNIT)["MainPID"] != first
    assert_runs(machine)
    assert engine(machine) == before


def test_service_comes_back_from_being_killed(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    for signal in ("SIGKILL", "SIGTERM"):
        pid = machine.unit(UNIT)["MainPID"]
        machine.run(["kill", f"-{signal.removeprefix('SIG')}", pid])
        wait_for(
            lambda pid=pid: machine.unit(UNIT)["MainPID"] not in {pid, "0"},  # type: ignore[misc]
            what=f"new process after {signal}",
        )
    wait_for(lambda: machine.unit(UNIT)["ActiveState"] == "active", what="active service")


def test_removed_package_leaves_what_it_set(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    machine.write("/etc/dockcfgd/conf.d/50-own.toml", "schema = 1\n")
    machine.write(DROP_IN, "[Service]\nLimitNOFILE=4096\n")
    before = engine(machine)

    machine.run(["apt-get", "remove", "--yes", "dockcfgd"])

    assert machine.unit(UNIT, "LoadState", "MainPID")["MainPID"] == "0"
    assert not machine.exists("/usr/lib/dockcfgd")
    assert machine.exists(DROP_IN)
    assert machine.exists("/etc/dockcfgd/conf.d/50-own.toml")
    assert machine.exists(STATE)
    assert engine(machine) == before
    assert machine.ping()


def test_purged_package_leaves_only_what_the_engine_needs(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    machine.run(["systemctl", "stop", UNIT])
    machine.write("/etc/dockcfgd/conf.toml", "schema = 1\n")
    machine.write("/etc/docker/daemon.json", '{"debug": true}\n')
    machine.write(DROP_IN, "[Service]\nLimitNOFILE=4096\n")
    before = engine(machine)

    machine.run(["apt-get", "purge", "--yes", "dockcfgd"])

    assert machine.read("/etc/docker/daemon.json") == '{"debug": true}\n'
    for path in (STATE, "/etc/dockcfgd", "/run/dockcfgd", DROP_IN, str(Path(DROP_IN).parent)):
        assert not machine.exists(path), path
    assert machine.unit("docker.service", "NeedDaemonReload")["NeedDaemonReload"] == "no"
    assert engine(machine) == before
    assert machine.ping()


def test_purge_spares_backups_and_other_drop_ins(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    machine.run(["systemctl", "stop", UNIT])
    backup = f"{STATE}/backups/one/manifest.json"
    machine.write(backup, "{}\n")
    machine.write(f"{STATE}/state.db-extra", "")
    override = f"{Path(DROP_IN).parent}/override.conf"
    machine.write(override, "[Service]\n")
    machine.write(DROP_IN, "[Service]\n")

    done = machine.run(["apt-get", "purge", "--yes", "dockcfgd"])

    assert f"{STATE}/backups is not empty and stays" in done.stdout + done.stderr
    assert machine.read(backup) == "{}\n"
    assert machine.run(["ls", "-A", STATE]).stdout == "backups\n"
    assert machine.exists(override)
    assert not machine.exists(DROP_IN)


def interrupt(machine: Machine) -> None:
    """Leave things as a dockcfgd does that is killed in the middle of a change."""
    machine.run(["systemctl", "stop", UNIT])
    machine.write("/etc/docker/daemon.json", NEW)
    known = [[hashlib.sha256(text.encode()).hexdigest(), 0, 0, 0o644] for text in (OLD, NEW)]
    before = {"content": "0-daemon.json", "digest": known[0][0], "uid": 0, "gid": 0, "mode": 0o644}
    file = {
        "path": "/etc/docker/daemon.json",
        "known": known,
        "before": {**before, "attributes": {}},
    }
    way_back = {"schema": 1, "transaction": "t1", "pid": 1, "confirm_until": None}
    way_back |= {"reload_units": True, "files": [file], "folders": []}
    machine.write(f"{STATE}/undo/0-daemon.json", OLD, mode=0o600)
    machine.write(f"{STATE}/undo/way-back.json", json.dumps(way_back), mode=0o600)


def test_removed_in_mid_change_the_old_files_are_put_back(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    interrupt(machine)
    before = engine(machine)

    done = machine.run(["apt-get", "remove", "--yes", "dockcfgd"])

    assert "change t1 is taken back" in done.stdout + done.stderr
    assert machine.read("/etc/docker/daemon.json") == OLD
    assert machine.run(["ls", "-A", f"{STATE}/undo"]).stdout == ""
    assert engine(machine) == before


def test_removed_while_a_change_awaits_confirmation_it_goes_back(
    machine: Machine, deb: Path
) -> None:
    machine.install_deb(deb)
    machine.write("/root/debug.toml", "schema = 1\n[engine]\ndebug = true\n")
    machine.run(["dockcfgctl", "apply", "/root/debug.toml", "--confirm", "1h"])
    debug = "docker info --format '{{.Debug}}'"
    assert machine.run(debug).stdout == "true\n"

    done = machine.run(["apt-get", "remove", "--yes", "dockcfgd"], timeout=200)

    assert "cancelled" in done.stdout
    assert machine.run(debug).stdout == "false\n"
    assert not machine.exists("/etc/docker/daemon.json")
    assert not machine.exists("/etc/dockcfgd/conf.d/debug.toml")
    assert machine.run(["ls", "-A", f"{STATE}/undo"]).stdout == ""


def test_purged_what_could_not_be_put_back_is_kept_out_of_force(
    machine: Machine, deb: Path
) -> None:
    machine.install_deb(deb)
    interrupt(machine)
    machine.write(f"{STATE}/undo/0-daemon.json", "damaged", mode=0o600)

    done = machine.run(["apt-get", "purge", "--yes", "dockcfgd"])

    assert "undo.left has the files" in done.stdout + done.stderr
    assert machine.read("/etc/docker/daemon.json") == NEW
    assert machine.run(["ls", "-A", STATE]).stdout == "undo.left\n"


def test_upgraded_in_mid_change_the_new_dockcfgd_goes_back(machine: Machine, deb: Path) -> None:
    machine.install_deb(deb)
    interrupt(machine)
    machine.run(["dpkg", "--install", f"/root/{deb.name}"])
    wait_for(lambda: machine.read("/etc/docker/daemon.json") == OLD, what="the old daemon.json")
    wanted = "/etc/systemd/system/docker.service.wants/dockcfgd-recover.service"
    assert machine.exists(wanted)
