from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from dockcfgd.facts import facts_of
from dockcfgd.model.facts import Folder, Program, Questions
from dockcfgd.planning.target import Applied
from dockcfgd.plugins import plugins_of
from dockcfgd.reconcile.assess import Assessment, assess
from dockcfgd.settings import Settings
from tests.fakes.host import FakeHost


def _assessed(host: FakeHost, text: str) -> Assessment:
    host.files.put("/etc/dockcfgd/conf.toml", text)
    return assess(host.effects, Settings(), Applied(), name="T1")


def _plugin(name: str, *, enabled: bool, kind: object) -> str:
    interface = {"Types": [kind]}
    return json.dumps(
        {"PluginObj": {"Name": name, "Enabled": enabled, "Config": {"Interface": interface}}}
    )


class TestLooking:
    def test_what_was_not_asked_is_not_answered(self) -> None:
        host = FakeHost()
        facts = facts_of(host.surroundings, host.files, Questions(), root="/var/lib/docker")
        assert facts.routes is None
        assert facts.filesystems is None
        assert facts.plugins is None
        assert facts.programs == {}

    def test_answers(self) -> None:
        host = FakeHost()
        host.files.put("/etc/subuid", "a:1:2\n")
        host.files.put("/srv/docker/overlay2/l", b"")
        host.files.put("/srv/docker/vfs/dir", b"")
        asked = Questions(
            folders=frozenset({"/srv/docker"}),
            files=frozenset({"/etc/subuid", "/missing"}),
            programs=frozenset({"dockerd"}),
            devices=frozenset({"/dev/fuse", "/dev/zfs"}),
            filesystems=True,
        )
        facts = facts_of(host.surroundings, host.files, asked, root="/srv/docker")
        assert facts.folders["/srv/docker"].there
        assert facts.files == {"/etc/subuid": "a:1:2\n", "/missing": None}
        assert facts.programs == {"dockerd": Program.RUNNABLE}
        assert facts.devices == {"/dev/fuse": True, "/dev/zfs": False}
        assert facts.prior_drivers == ("overlay2",)

    def test_plugins(self) -> None:
        host = FakeHost()
        root = "/var/lib/docker/plugins"
        new = {"Prefix": "docker", "Capability": "logdriver", "Version": "1.0"}
        old = "docker.authz/1.0"
        host.files.put(f"{root}/a/config.json", _plugin("loki:latest", enabled=True, kind=new))
        host.files.put(f"{root}/b/config.json", _plugin("opa:latest", enabled=True, kind=old))
        host.files.put(f"{root}/c/config.json", _plugin("off:latest", enabled=False, kind=old))
        host.files.put(f"{root}/d/config.json", "{")
        host.files.put("/etc/docker/plugins/spec.spec", "tcp://localhost:8080")
        host.files.put("/run/docker/plugins/sock.sock", b"")
        assert plugins_of(host.files, "/var/lib/docker") == {
            "loki:latest": {"logdriver"},
            "opa:latest": {"authz"},
            "spec": frozenset(),
            "sock": frozenset(),
        }


class TestWeighing:
    def test_what_a_change_brings_is_refused_where_it_stands(self) -> None:
        host = FakeHost()
        host.files.put("/srv/runtime", b"", mode=0o755)
        text = '[engine.runtimes.there]\npath = "/srv/runtime"\n'
        assert not _assessed(host, text).findings
        (found,) = _assessed(host, f'{text}[engine.runtimes.gone]\npath = "/nope"\n').findings
        assert found.key == "engine.runtimes.gone"
        assert found.line in {3, 4}

    def test_a_foreign_key_that_only_misleads_is_noted(self) -> None:
        host = FakeHost(daemon_json='{"runtimes": {"gone": {"path": "/nope"}}}')
        seen = _assessed(host, '[engine]\nbip = "172.30.0.1/24"\n')
        assert not seen.findings
        assert seen.plan is not None
        seen = _assessed(host, '[engine]\nlabels = ["a=1"]\n')
        assert not seen.findings
        assert seen.plan is not None
        assert any("there is no program /nope" in line for line in seen.plan.notes)

    @pytest.mark.parametrize(
        ("text", "refused"),
        [('[engine]\nlabels = ["a=1"]\n', False), ('[engine]\nbip = "172.30.0.1/24"\n', True)],
    )
    def test_a_foreign_key_that_stops_the_engine(self, text: str, *, refused: bool) -> None:
        host = FakeHost()
        host.files.put("/etc/docker/daemon.json", '{"icc": false, "iptables": false}')
        seen = _assessed(host, text)
        assert bool(seen.findings) is refused
        assert seen.plan is not None
        assert refused or any("icc = false" in line for line in seen.plan.notes)

    def test_a_new_data_root_is_looked_at(self) -> None:
        host = FakeHost()
        host.files.folder("/srv")
        host.surroundings.mounts["/srv"] = Folder(filesystem="xfs", d_type=False)
        text = '[engine]\nstorage-driver = "overlay2"\ndata-root = "/srv/docker"\n'
        found = _assessed(host, text).findings
        assert any("made without d_type" in one.message for one in found)


def test_layers_are_looked_for_but_those_of_containers_that_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine may have removed the layer of one that it could not remove whole."""
    host = FakeHost(daemon_json='{"storage-driver": "overlay2"}')
    stays, going = host.run("stays"), host.run("going")
    listed = [{**one, "State": "dead"} if one["Id"] == going else one
              for one in host.containers.list()]  # fmt: skip
    asked: list[str] = []

    def obstacle(root: str, driver: str, containers: Sequence[str]) -> str:
        assert (root, driver) == ("/var/lib/docker", "overlay2")
        asked.extend(containers)
        return ""

    monkeypatch.setattr(host.containers, "list", lambda: listed)
    monkeypatch.setattr(host.carrier, "obstacle", obstacle)
    _assessed(host, 'schema = 1\n[engine]\nstorage-driver = "vfs"\n')
    assert asked == [stays]
