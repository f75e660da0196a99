"""`effective` tells of real engines what they use, and nothing shown holds a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import Machine
from machine_stage import MachineStage
from story import Document

_SECRET = "hidden-Qx7"  # noqa: S105 -- stands for one
_DAEMON_JSON = '{\n  "labels": ["rack=7"],\n  "no-new-privileges": true\n}\n'
_DEFAULTS = f"""\
DOCKER_OPTS="--debug --dns 9.9.9.9 --mtu 1400"
HTTPS_PROXY=http://me:{_SECRET}1@127.0.0.1:9
"""
_WANTED = f"""\
schema = 1
[engine]
log-driver = "local"
max-concurrent-downloads = 5
proxies = {{ http-proxy = "http://me:{_SECRET}2@127.0.0.1:9" }}
icc = false
[service]
environment = {{ API_TOKEN = "{_SECRET}3" }}
"""
_UNPROVEN = f"""\
schema = 1
[engine]
proxies = {{ http-proxy = "http://me:{_SECRET}4@127.0.0.1:9" }}
hosts = ["tcp://192.0.2.1:2375"]
"""
_TOLD = ("value", "source", "proof")


def _keys(stage: MachineStage, *arguments: str) -> dict[str, Document]:
    answer = stage.control("effective", "--json", *arguments)
    assert answer.code == 0, answer.text
    return {one["key"]: one for one in json.loads(answer.text)["keys"]}


def _told(one: Document) -> tuple[object, ...]:
    return tuple(one[name] for name in _TOLD)


@pytest.mark.suite("trixie", "forky")
def test_values_sources_and_proofs_are_the_engine_s(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    machine.write("/etc/docker/daemon.json", _DAEMON_JSON)
    machine.write("/etc/default/docker", _DEFAULTS)
    machine.run("systemctl restart docker")
    stage = MachineStage(machine, build_deb("trixie"))
    stage.install()

    keys = _keys(stage)
    assert _told(keys["labels"]) == (["rack=7"], "foreign", "info")
    assert keys["labels"]["where"] == "/etc/docker/daemon.json:2"
    assert _told(keys["no-new-privileges"]) == (True, "foreign", "info")
    assert _told(keys["debug"]) == (True, "flag", "info")
    assert keys["debug"]["where"] == "/etc/default/docker:1"
    assert _told(keys["dns"]) == (["9.9.9.9"], "flag", "not observable")
    assert _told(keys["mtu"]) == (1400, "flag", "inspect")
    assert _told(keys["hosts"]) == (["fd://"], "flag", "not observable")
    assert _told(keys["proxies.https-proxy"]) == (
        "http://***@127.0.0.1:9",
        "environment",
        "info",
    )
    assert _told(keys["storage-driver"]) == ("overlay2", "default", "info")
    assert _told(keys["icc"]) == (True, "default", "inspect")
    contradicted = [key for key, one in keys.items() if one["proof"] == "contradicted"]
    assert contradicted == []

    machine.write("/etc/dockcfgd/conf.toml", _WANTED)
    assert stage.control("wait", "--timeout=2m").code == 0, stage.control("status").text
    keys = _keys(stage)
    assert _told(keys["log-driver"]) == ("local", "desired", "info")
    assert keys["log-driver"]["where"] == "/etc/dockcfgd/conf.toml:3"
    assert _told(keys["icc"]) == (False, "desired", "inspect")
    assert _told(keys["proxies.http-proxy"]) == ("http://***@127.0.0.1:9", "desired", "info")
    assert _told(keys["max-concurrent-downloads"]) == (5, "desired", "not observable")
    assert keys["max-concurrent-downloads"]["read"] is True
    machine.write("/etc/dockcfgd/conf.toml", _WANTED.replace("downloads = 5", "downloads = 6"))
    assert stage.control("wait", "--timeout=2m").code == 0, stage.control("status").text
    assert _told(_keys(stage)["max-concurrent-downloads"]) == (6, "desired", "event")

    edited = machine.read("/etc/docker/daemon.json").replace("rack=7", "rack=8")
    machine.write("/etc/docker/daemon.json", edited)
    labels = _keys(stage, "labels")["labels"]
    assert (_told(labels), labels["configured"]) == (
        (["rack=7"], "foreign", "contradicted"),
        ["rack=8"],
    )

    machine.write("/etc/dockcfgd/conf.toml", _UNPROVEN)
    assert stage.control("wait", "--timeout=3m").code == 1
    _nothing_is_told(machine, stage)
    print(stage.control("effective", "--changed").text)
    machine.run("systemctl stop docker.socket docker.service")
    assert _told(_keys(stage)["labels"]) == (["rack=8"], "foreign", "engine is not running")


def _nothing_is_told(machine: Machine, stage: MachineStage) -> None:
    ask = "busctl call org.dockcfgd1 /org/dockcfgd1 org.dockcfgd1.Manager"
    shown = [
        machine.run(f"{ask} GetStatus").stdout,
        machine.run(f"{ask} Plan 'a(ss)' 0").stdout,
        machine.run("journalctl -u dockcfgd -o verbose --no-pager").stdout,
        machine.run("systemctl status dockcfgd --no-pager", check=False).stdout,
        machine.run("cat /run/dockcfgd/status.json /run/dockcfgd/status.txt").stdout,
        *(
            stage.control(*words).text
            for words in (["status"], ["plan"], ["plan", "--json"], ["history", "--json"])
        ),
        stage.control("effective").text,
    ]
    assert "transaction.ended" in shown[2]
    for one in shown:
        assert one
        assert _SECRET not in one
