"""What a new value reaches on real engines: created with, read at start, for new networks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from images import make_busybox
from machine import Machine
from roots import SUITES

_BEFORE: dict[str, Any] = {"log-opts": {"max-size": "1m"}}
_AFTER: dict[str, Any] = {
    "log-driver": "local",
    "log-opts": {"max-size": "2m"},
    "default-runtime": "other",
    "runtimes": {"other": {"path": "runc"}},
    "default-shm-size": "128M",
    "default-ipc-mode": "shareable",
    "no-new-privileges": True,
    "dns": ["192.0.2.53"],
    "dns-search": ["example.org"],
    "dns-opts": ["ndots:3"],
    "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 4321, "Soft": 4321}},
    "init": True,
    "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}],
}
_FROZEN = ("LogConfig", "Runtime", "ShmSize", "IpcMode")


def _settings(machine: Machine, name: str) -> dict[str, Any]:
    document = json.loads(machine.docker("inspect", name))[0]
    settings = document["HostConfig"]
    return {key: settings[key] for key in _FROZEN}


def _inside(machine: Machine, name: str) -> dict[str, str]:
    asked = {
        "privileges": "sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/1/status",
        "dns": "grep -v '^#' /etc/resolv.conf",
        "files": "ulimit -n",
        "init": "cat /proc/1/comm",
    }
    return {
        what: machine.docker("exec", name, "sh", "-c", line).strip() for what, line in asked.items()
    }


def _subnet(machine: Machine, network: str) -> str:
    form = "{{(index .IPAM.Config 0).Subnet}}"
    return machine.docker("network", "inspect", "--format", form, network)


def _run(machine: Machine, name: str) -> None:
    machine.docker("run", "--detach", f"--name={name}", "busybox", "sleep", "1000000")


@pytest.mark.suite(*SUITES)
def test_containers_and_networks_keep_what_they_were_made_with(machine: Machine) -> None:
    make_busybox(machine)
    machine.write("/etc/docker/daemon.json", json.dumps(_BEFORE))
    machine.run("systemctl restart docker")
    _run(machine, "old")
    machine.docker("network", "create", "old")
    made, inside, subnet = (
        _settings(machine, "old"),
        _inside(machine, "old"),
        _subnet(machine, "old"),
    )
    assert made["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert (made["Runtime"], made["ShmSize"]) == ("runc", 64 * 1024**2)
    assert made["IpcMode"] == "private"

    machine.write("/etc/docker/daemon.json", json.dumps(_AFTER))
    machine.run("systemctl reset-failed docker.service; systemctl restart docker")
    machine.docker("start", "old")
    _run(machine, "new")
    machine.docker("network", "create", "new")

    assert _settings(machine, "old") == made
    assert _settings(machine, "new") == {
        "LogConfig": {"Type": "local", "Config": {"max-size": "2m"}},
        "Runtime": "other",
        "ShmSize": 128 * 1024**2,
        "IpcMode": "shareable",
    }
    now, fresh = _inside(machine, "old"), _inside(machine, "new")
    assert (inside["privileges"], now["privileges"], fresh["privileges"]) == ("0", "0", "1")
    read_at_start = ("dns", "files", "init")
    assert all(inside[what] != fresh[what] for what in read_at_start)
    assert {what: now[what] for what in read_at_start} == {
        what: fresh[what] for what in read_at_start
    }
    assert _subnet(machine, "old") == subnet
    assert _subnet(machine, "new").startswith("10.200.")
