"""A host that somebody configured by hand is taken over, and nothing happens to it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

from machine import Machine
from machine_stage import MachineStage
from story import Document
from waiting import wait_for

_DAEMON_JSON = """\
{ "debug": true, "max-concurrent-downloads": 0,
    "labels" : ["room=12"],
  "log-opts": {"max-size": "10m"}, "log-driver": "json-file",
  "my-notes": {"debug": false},
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
_ADOPTED = "/etc/dockcfgd/conf.d/90-adopted.toml"
_ADOPTING = """\
[engine]
debug = true
labels = ["room=12"]
shutdown-timeout = 20

[policy]
on-drift = "adopt"
"""


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
        "my-notes.debug": 4,
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


def test_a_hand_edit_becomes_the_desired_state(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    stage = MachineStage(machine, build_deb("trixie"))
    stage.install()
    machine.write(_CONF, _ADOPTING)
    assert stage.control("wait", "--timeout=2m").code == 0
    before, reloads = stage.see(), stage.reloads()

    edited = '{"debug":   false, "labels": ["room=13"], "mtu": 1500 }'
    machine.write("/etc/docker/daemon.json", edited)
    status = _until(stage, "in-sync", 2)
    assert status["last"]["reason"] == "adopted: debug, labels, shutdown-timeout"
    assert tomllib.loads(machine.read(_ADOPTED)) == {
        "schema": 1,
        "unset": ["engine.shutdown-timeout"],
        "engine": {"debug": False, "labels": ["room=13"]},
    }
    assert machine.read("/etc/docker/daemon.json") == edited
    after = stage.see()
    assert (after.info["Debug"], after.info["Labels"]) == (False, ["room=13"])
    assert (after.pid, after.containers) == (before.pid, before.containers)
    new = stage.reloads()[len(reloads) :]
    assert new
    assert "shutdown-timeout=15" in new[-1]

    machine.write("/etc/docker/daemon.json", edited.replace("false", '"no"'))
    status = _until(stage, "drifted", 2)
    assert "/etc/docker/daemon.json:1: debug: it must be true or false" in status["reason"]
    machine.write("/etc/docker/daemon.json", edited.replace("false", "true"))
    _until(stage, "in-sync", 3)
    assert stage.see().info["Debug"] is True

    machine.write("/etc/docker/daemon.json", '{"labels": [], "log-driver": "local"}')
    # log-driver is foreign; what was ours and is gone is unset.
    status = _until(stage, "in-sync", 4)
    assert status["last"]["reason"] == "adopted: debug, labels"
    history = json.loads(stage.control("history", "--json").text)["generations"]
    assert [one["origin"] for one in history] == ["adopted"] * 3 + ["desired", "original"]


def _until(stage: MachineStage, condition: str, generation: int) -> Document:
    """Wait until the host rests in a condition, with a generation in force."""

    def seen() -> Document | None:
        status: Document = json.loads(stage.control("status", "--json").text)
        rests = status["condition"] == condition and status["phase"] == "idle"
        return status if rests and status["applied"]["generation"] == generation else None

    return wait_for(seen, 30, what=f"{condition} at generation {generation}") or {}


def test_without_the_daemon_and_without_root(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    machine.write("/etc/docker/daemon.json", '{"labels": ["room=12"]}')
    machine.run("systemctl restart docker")
    machine.install_deb(build_deb("trixie"))
    machine.run("systemctl stop dockcfgd")
    done = machine.run("setpriv --reuid=nobody --clear-groups dockcfgctl import")
    assert 'labels = ["room=12"]  # from /etc/docker/daemon.json:1\n' in done.stdout
    machine.write("/etc/docker/daemon.json", '{"labels": ["room=12"]\n "debug": true}')
    done = machine.run("dockcfgctl import", check=False)
    assert done.returncode == 1
    assert "/etc/docker/daemon.json:2: not valid JSON" in done.stderr
    machine.write("/etc/docker/daemon.json", "{}", mode=0o600)
    done = machine.run("setpriv --reuid=nobody --clear-groups dockcfgctl import", check=False)
    assert done.returncode == 1
    assert "cannot read /etc/docker/daemon.json" in done.stderr
