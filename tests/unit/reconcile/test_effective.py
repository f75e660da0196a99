"""What `effective` says of a host: values, sources and proofs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.cli.effective_text import render
from dockcfgd.history import read_applied, read_reloads
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.planning.effective import Reloaded
from dockcfgd.planning.target import Applied, UnreadableFile
from dockcfgd.reconcile.effective import look_effective
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

_GOLDEN = Path(__file__).parents[2] / "golden/cli/effective"
_WANTED = """\
[engine]
max-concurrent-downloads = 5
log-driver = "local"
proxies.http-proxy = "http://me:hidden-word@proxy:3128"
mtu = 1400
[engine-extra]
default-network-opts = { bridge = { "com.docker.network.bridge.name" = "br0" } }
[service]
environment = { HTTPS_PROXY = "http://me:other-word@proxy:3128" }
"""
_FOREIGN = '{\n  "labels": ["rack=7"],\n  "log-opts": {"max-size": "10m"}\n}\n'


class House:
    def __init__(self, folder: Path, *, daemon_json: str = "", defaults: str = "") -> None:
        self.host = FakeHost(daemon_json=daemon_json)
        if defaults:
            self.host.files.put("/etc/default/docker", defaults)
            self.host.kill_engine()
            self.host.boot()
        self.lives = Lives(folder, self.host)

    def document(self) -> dict[str, Any]:
        path = self.lives.settings.state_file
        applied = Applied()
        reloads: tuple[Reloaded, ...] = ()
        if Path(path).exists():
            applied, reloads = read_applied(path), tuple(read_reloads(path))
        return look_effective(self.lives.effects(), self.lives.settings, applied, reloads)

    def keys(self) -> dict[str, dict[str, Any]]:
        return {one["key"]: one for one in self.document()["keys"]}


def _told(one: dict[str, Any]) -> tuple[object, str, str]:
    return one["value"], one["source"], one["proof"]


def test_a_plain_host_has_defaults_and_the_flags_of_its_unit(tmp_path: Path) -> None:
    keys = House(tmp_path).keys()
    assert _told(keys["debug"]) == (False, "default", "info")
    assert _told(keys["log-driver"]) == ("json-file", "default", "info")
    assert _told(keys["storage-driver"]) == ("overlay2", "default", "info")
    assert _told(keys["max-concurrent-downloads"]) == (3, "default", "not observable")
    assert _told(keys["hosts"]) == (["fd://"], "flag", "not observable")
    assert keys["hosts"]["where"].startswith("/usr/lib/systemd/system/docker.service:")
    assert "graph" not in keys
    assert len(keys) > 90


def test_each_value_has_its_source_and_place(tmp_path: Path) -> None:
    house = House(
        tmp_path, daemon_json=_FOREIGN, defaults='DOCKER_OPTS="-D --dns 9.9.9.9 --dns 1.1.1.1"\n'
    )
    house.lives.want(_WANTED)
    house.lives.look()
    keys = house.keys()
    assert _told(keys["debug"]) == (True, "flag", "info")
    assert keys["debug"]["where"] == "/etc/default/docker:1"
    assert _told(keys["dns"]) == (["9.9.9.9", "1.1.1.1"], "flag", "not observable")
    assert _told(keys["labels"]) == (["rack=7"], "foreign", "info")
    assert keys["labels"]["where"] == "/etc/docker/daemon.json:2"
    assert _told(keys["log-opts.max-size"]) == ("10m", "foreign", "not observable")
    lines = house.host.files.snapshot()["/etc/docker/daemon.json"].decode().splitlines()
    place, line = keys["log-opts.max-size"]["where"].rsplit(":", 1)
    assert place == "/etc/docker/daemon.json"
    assert '"max-size": "10m"' in lines[int(line) - 1]
    assert _told(keys["log-driver"]) == ("local", "desired", "info")
    assert keys["log-driver"]["where"] == "/etc/dockcfgd/conf.toml:4"
    assert keys["log-driver"]["applies"] == "new containers"
    assert _told(keys["mtu"]) == (1400, "desired", "not observable")
    assert keys["mtu"]["read"] is True
    extra = keys["default-network-opts.bridge"]
    assert _told(extra) == ({"com.docker.network.bridge.name": "br0"}, "extra", "not observable")
    assert _told(keys["proxies.http-proxy"]) == ("http://***@proxy:3128", "desired", "info")
    assert _told(keys["proxies.https-proxy"]) == ("http://***@proxy:3128", "environment", "info")
    assert "zz-dockcfgd.conf" in keys["proxies.https-proxy"]["where"]
    assert "-word" not in json.dumps(house.document())


def test_what_a_reload_showed_in_this_run_is_proven_by_its_event(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.lives.want("[engine]\nmax-concurrent-downloads = 5\n")
    house.lives.look()
    assert _told(house.keys()["max-concurrent-downloads"]) == (5, "desired", "event")
    house.host.files.put("/etc/docker/daemon.json", '{"max-concurrent-downloads": 6}')
    assert _told(house.keys()["max-concurrent-downloads"]) == (6, "foreign", "not observable")
    house.host.files.put("/etc/docker/daemon.json", '{"max-concurrent-downloads": 5}')
    house.host.kill_engine()
    house.host.boot()
    assert _told(house.keys()["max-concurrent-downloads"]) == (5, "desired", "not observable")


def test_an_engine_that_shows_another_value_contradicts_the_file(tmp_path: Path) -> None:
    house = House(tmp_path, daemon_json='{"log-driver": "local", "labels": ["A_TOKEN=one-two"]}')
    house.host.files.put(
        "/etc/docker/daemon.json", '{"log-driver": "journald", "labels": ["A_TOKEN=two-two"]}'
    )
    keys = house.keys()
    assert _told(keys["log-driver"]) == ("local", "foreign", "contradicted")
    assert keys["log-driver"]["configured"] == "journald"
    assert _told(keys["labels"]) == (["A_TOKEN=***", "(differs)"], "foreign", "contradicted")
    text = render(house.document())
    where = "/etc/docker/daemon.json:1"
    assert f'log-driver: {where} says "journald", the running engine shows another' in text
    house.host.files.put("/etc/docker/daemon.json", "{}")
    assert _told(house.keys()["log-driver"]) == ("local", "default", "contradicted")


def test_docker_driver_beats_all(tmp_path: Path) -> None:
    house = House(
        tmp_path, daemon_json='{"storage-driver": "overlay2"}', defaults="DOCKER_DRIVER=vfs\n"
    )
    driver = house.keys()["storage-driver"]
    assert (driver["source"], driver["where"]) == (
        "environment",
        "DOCKER_DRIVER in /etc/default/docker:1",
    )


def test_of_a_stopped_engine_files_tell(tmp_path: Path) -> None:
    house = House(tmp_path, daemon_json=_FOREIGN)
    house.host.systemd.run_job(JobVerb.STOP, DOCKER_SERVICE, timeout=10)
    document = house.document()
    assert document["engine"]["running"] is False
    keys = {one["key"]: one for one in document["keys"]}
    assert _told(keys["labels"]) == (["rack=7"], "foreign", "engine is not running")
    assert render(document).startswith("26.1.5+dfsg1 does not run")


def test_without_systemd_nobody_says_that_the_engine_is_stopped(tmp_path: Path) -> None:
    house = House(tmp_path, daemon_json=_FOREIGN)
    house.host.systemd.unreachable = True
    document = house.document()
    assert document["engine"]["running"] is None
    assert {one["proof"] for one in document["keys"]} == {"engine cannot be asked"}
    assert render(document).startswith("Docker is not known to run")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": ', "is not valid JSON: Expecting value: line 1 column 7 (char 6)"),
        (b"{", "is not valid JSON: Expecting property name enclosed in double quotes"),
        (b'{"labels": ["\xff"]}', "is not valid UTF-8"),
    ],
)
def test_a_broken_file_is_an_error(tmp_path: Path, content: bytes, why: str) -> None:
    house = House(tmp_path)
    house.host.files.put("/etc/docker/daemon.json", content)
    with pytest.raises(UnreadableFile, match=re.escape(f"/etc/docker/daemon.json {why}")):
        house.document()


def test_the_text(tmp_path: Path) -> None:
    house = House(tmp_path, daemon_json=_FOREIGN, defaults='DOCKER_OPTS="--debug"\n')
    house.lives.want(_WANTED)
    house.lives.look()
    document = house.document()
    groups = len({one["group"] for one in document["keys"]})
    assert render(document).count("\n\n") == groups
    kept = [one for one in document["keys"] if one["source"] != "default"]
    text, golden = render({**document, "keys": kept}), _GOLDEN / "changed.txt"
    if os.environ.get("GOLDEN_REWRITE") == "1":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
