"""A host that somebody configured by hand is taken over, and nothing happens to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from machine import Machine
from machine_stage import MachineStage

_DAEMON_JSON = """\
{ "debug": true, "max-concurrent-downloads": 0,
    "labels" : ["room=12"],
  "log-opts": {"max-size": "10m"}, "log-driver": "json-file",
  "my-notes": {"by": "me"},
  "features": { "buildkit": true },
  "live-restore": null,
  "host": ["unix:///run/other.sock"] ,
  "default-address-pools": [{"base": "10.210.0.0/16", "size": 24}] }
"""
_DEFAULTS = """\
# hand-made
DOCKER_OPTS="--shutdown-timeout=20 \\
  --max-concurrent-uploads 3"
NO_PROXY=example.com
"""
_OVERRIDE = """\
[Service]
Environment="A=b c"
LimitNOFILE=1048576
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock \\
    --max-download-attempts=4 $DOCKER_OPTS
"""
_CONF = "/etc/dockcfgd/conf.toml"


def test_a_host_configured_by_hand_is_taken_over_untouched(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    machine.write("/etc/docker/daemon.json", _DAEMON_JSON, mode=0o640)
    machine.write("/etc/default/docker", _DEFAULTS)
    machine.write("/etc/systemd/system/docker.service.d/override.conf", _OVERRIDE)
    machine.run("systemctl daemon-reload && systemctl restart docker")
    stage = MachineStage(machine, build_deb("trixie"))
    stage.install()
    before, reloads = stage.see(), stage.reloads()

    shown = stage.control("import", "--json")
    assert shown.code == 0, shown.text
    document = json.loads(shown.text)
    left = {note["key"]: note["line"] for note in document["notes"]}
    assert left == {
        "max-concurrent-downloads": 1,
        "my-notes.by": 4,
        "live-restore": 6,
        "host": 7,
    }
    toml = document["toml"]
    print(toml)
    assert "# from --shutdown-timeout=20 in /etc/default/docker:2 (left there)" in toml
    override = "/etc/systemd/system/docker.service.d/override.conf"
    assert f"# from --max-download-attempts=4 in {override}:5 (left there)" in toml

    written = stage.control("import", "--output", _CONF)
    assert written.code == 0, written.text
    assert stage.control("import", "--output", _CONF).code == 1
    assert machine.read(_CONF) == toml
    waited = stage.control("wait", "--timeout=1m")
    assert waited.code == 0, waited.text
    status = json.loads(stage.control("status", "--json").text)
    assert (status["condition"], status["last"]) == ("in-sync", None)
    assert status["applied"]["generation"] == status["desired"]["generation"] == 1
    assert stage.control("plan", "--exit-code").code == 0
    assert stage.see() == before
    assert stage.reloads() == reloads
    assert machine.read("/etc/docker/daemon.json") == _DAEMON_JSON


def test_without_the_daemon_and_without_root(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    machine.write("/etc/docker/daemon.json", '{"labels": ["room=12"]}')
    machine.run("systemctl restart docker")
    machine.install_deb(build_deb("trixie"))
    machine.run("systemctl stop dockcfgd")
    done = machine.run("setpriv --reuid=nobody --clear-groups dockcfgctl import")
    assert 'labels = ["room=12"]  # from /etc/docker/daemon.json:1\n' in done.stdout
    machine.write("/etc/docker/daemon.json", '{"labels": ["room=12"],\n}')
    done = machine.run("dockcfgctl import", check=False)
    assert done.returncode == 1
    assert "/etc/docker/daemon.json:2: not valid JSON" in done.stderr
    machine.write("/etc/docker/daemon.json", "{}", mode=0o600)
    done = machine.run("setpriv --reuid=nobody --clear-groups dockcfgctl import", check=False)
    assert done.returncode == 1
    assert "cannot read /etc/docker/daemon.json" in done.stderr
