"""Flags of a host's own unit files give way to the desired state, and come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from machine import Machine
from machine_stage import MachineStage

_DEFAULTS = '# hand-made\nDOCKER_OPTS="--log-driver=journald --label=x=1 --shutdown-timeout=20"\n'
_OVERRIDE_PATH = "/etc/systemd/system/docker.service.d/override.conf"
_OVERRIDE = """\
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock \\
  -s overlay2 \\
  # that is what it had
  $DOCKER_OPTS
"""
_CONF = "/etc/dockcfgd/conf.toml"
_WANTED = """\
[engine]
log-driver = "journald"
labels = ["x=1", "y=2"]
storage-driver = "overlay2"
hosts = ["fd://", "unix:///run/second.sock"]
"""
_NO_MORE = """\
[engine]
storage-driver = "overlay2"
"""
_BASE = ["/usr/sbin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock"]
_VARIABLE = ["--log-driver=journald", "--label=x=1", "--shutdown-timeout=20"]


def _command(machine: Machine) -> list[str]:
    pid = machine.unit("docker.service")["MainPID"]
    return machine.run_bytes(["cat", f"/proc/{pid}/cmdline"]).decode().split("\0")[:-1]


def test_flags_give_way_and_come_back(machine: Machine, build_deb: Callable[[str], Path]) -> None:
    machine.write("/etc/default/docker", _DEFAULTS)
    machine.write(_OVERRIDE_PATH, _OVERRIDE)
    machine.run("systemctl daemon-reload && systemctl restart docker")
    stage = MachineStage(machine, build_deb("trixie"))
    stage.install()
    assert _command(machine) == [*_BASE, "-s", "overlay2", *_VARIABLE]
    before = stage.see()

    def apply(text: str) -> None:
        machine.write(_CONF, text)
        said = stage.control("apply")
        assert said.code == 0, said.text + stage.control("status").text
        assert stage.control("plan", "--exit-code").code == 0

    machine.write("/root/wanted.toml", _WANTED)
    plan = json.loads(stage.control("plan", "--json", "/root/wanted.toml").text)
    said = "\n".join(plan["notes"])
    assert "takes --log-driver=journald out of the command (/etc/default/docker:2)" in said
    assert f"takes -s overlay2 out of the command ({_OVERRIDE_PATH}:3)" in said

    apply(_WANTED)
    assert _command(machine) == [_BASE[0], _BASE[3], "--shutdown-timeout=20"]
    after = stage.see()
    # The engine lists labels in any order.
    labels = sorted(after.info["Labels"])
    assert (after.info["LoggingDriver"], labels) == ("journald", ["x=1", "y=2"])
    assert after.info["Driver"] == "overlay2"
    assert after.containers == before.containers  # they ran on
    assert machine.docker("--host=unix:///run/second.sock", "version", "--format=ok") == "ok"

    # The package or somebody changes the base: it is built anew.
    machine.write(_OVERRIDE_PATH, _OVERRIDE.replace("-s overlay2", "-s overlay2 --mtu=1400"))
    machine.run(["systemctl", "daemon-reload"])
    apply(_WANTED)
    assert _command(machine) == [_BASE[0], _BASE[3], "--mtu=1400", "--shutdown-timeout=20"]

    apply(_NO_MORE)
    assert _command(machine) == [*_BASE, "--mtu=1400", *_VARIABLE]
    assert stage.see().info["Labels"] == ["x=1"]

    machine.run(["rm", _CONF])
    assert stage.control("apply").code == 0
    assert _command(machine) == [*_BASE, "-s", "overlay2", "--mtu=1400", *_VARIABLE]
    assert stage.see().info["Driver"] == "overlay2"
    assert not machine.exists("/etc/systemd/system/docker.service.d/zz-dockcfgd.conf")


def test_what_systemd_would_ignore_is_refused_in_the_sandbox(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    stage = MachineStage(machine, build_deb("trixie"))
    stage.install()
    machine.write(_CONF, "[service.unit.Service]\nLimitNPROC = 500\nLimitNOFILE = 'many'\n")
    said = stage.control("apply")
    assert said.code == 1
    status = json.loads(stage.control("status", "--json").text)
    assert status["condition"] == "rejected"
    (error,) = status["desired"]["errors"]
    assert (error["file"], error["line"]) == (_CONF, 3)
    assert error["key"] == "service.unit.Service.LimitNOFILE"

    machine.write(_CONF, "[service.unit.Service]\nLimitNOFILE = 4096\n")
    assert stage.control("apply").code == 0
    assert machine.unit("docker.service", "LimitNOFILE") == {"LimitNOFILE": "4096"}
