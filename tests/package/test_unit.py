"""The unit file: what it promises to systemd, and that its sandbox leaves what the daemon needs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from machine import Machine, wait_for

# Of systemd-analyze, in tenths.
MOST_EXPOSED = 20

RECOVER = "packaging/systemd/dockcfgd-recover.service"
NEVER = ("Requires", "PartOf", "BindsTo", "Requisite", "Before", "Upholds")


@pytest.fixture
def settings(unit_file: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in unit_file.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return dict(found)


def test_restarts_whatever_ends_it(settings: dict[str, list[str]]) -> None:
    assert settings["Type"] == ["notify"]
    assert settings["Restart"] == ["always"]
    assert settings["RestartSec"] == ["1"]
    assert settings["StartLimitIntervalSec"] == ["0"]


def test_is_not_tied_to_the_engine(settings: dict[str, list[str]]) -> None:
    # Not even on dockcfgd-recover.service, which an engine's start waits for: systemd would hold it
    # back while this service stops, which waits for the engine.
    assert settings["After"] == ["dbus.socket"]
    assert not [key for key in NEVER if key in settings]
    assert "docker.service" not in " ".join(settings.get("Wants", []))


def test_recovery_is_wanted_by_and_before_the_engine(tree: Path) -> None:
    lines = (tree / RECOVER).read_text().splitlines()
    for line in (
        "Before=docker.service",
        "WantedBy=docker.service",
        "Type=oneshot",
        "ConditionDirectoryNotEmpty=/var/lib/dockcfgd/undo",
        "StartLimitIntervalSec=0",
    ):
        assert line in lines
    settings = [line.partition("=")[0] for line in lines if not line.startswith("#")]
    # It has to run again, the engine has to start where it fails, and it may not wait for ever.
    assert not {"RemainAfterExit", "RequiredBy", "Requires"} & set(settings)
    assert "TimeoutStartSec" in settings


@pytest.mark.parametrize("unit", ["dockcfgd", "dockcfgd-recover"])
def test_exposure_on_this_host(tree: Path, unit: str) -> None:
    unit_file = tree / f"packaging/systemd/{unit}.service"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run([*command, unit_file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.machine
@pytest.mark.timeout(180)
def test_sandbox_lets_the_daemon_work(machine: Machine, tree: Path, unit_file: Path) -> None:
    machine.copy_in(unit_file, "/usr/lib/systemd/system/dockcfgd.service")
    policy = "dbus-1/system.d/org.dockcfgd1.conf"
    machine.copy_in(tree / "packaging/dbus" / Path(policy).name, f"/usr/share/{policy}")
    machine.copy_in(tree / "tests/package/sandbox_probe.py", "/usr/local/lib/sandbox_probe.py")
    machine.write(
        "/etc/systemd/system/dockcfgd.service.d/probe.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/lib/sandbox_probe.py\n"
        "Restart=no\n",
    )
    machine.write("/home/somebody/private", "private\n", mode=0o600)
    machine.run("chown 4242 /home/somebody/private; chmod 0777 /home/somebody")
    machine.run("mkdir -p /etc/dockcfgd/conf.d; systemctl daemon-reload")

    machine.run(["systemctl", "start", "dockcfgd.service"])
    ended = {"inactive", "failed"}
    wait_for(lambda: machine.unit("dockcfgd.service")["ActiveState"] in ended, 90)

    findings = json.loads(machine.read("/run/dockcfgd/probe.json"))
    assert len(findings) > 20
    assert {check: text for check, text in findings.items() if text} == {}


@pytest.mark.machine
@pytest.mark.parametrize("unit", ["dockcfgd", "dockcfgd-recover"])
def test_unit_is_understood_and_exposed_little(machine: Machine, tree: Path, unit: str) -> None:
    path = f"/usr/lib/systemd/system/{unit}.service"
    machine.copy_in(tree / f"packaging/systemd/{unit}.service", path)
    for program in (
        "/usr/sbin/dockcfgd",
        "/usr/bin/dockcfgctl",
        "/usr/lib/dockcfgd/dockcfgd-recover",
    ):
        machine.write(program, "#!/bin/sh\n", mode=0o755)
    verified = machine.run(["systemd-analyze", "verify", path])
    assert "dockcfgd" not in verified.stderr
    security = ["systemd-analyze", "security", "--no-pager", f"--threshold={MOST_EXPOSED}"]
    machine.run([*security, "--offline=true", path])
