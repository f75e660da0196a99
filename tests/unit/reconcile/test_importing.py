from __future__ import annotations

import pytest

from dockcfgd.desired.import_host import Imported
from dockcfgd.model.errors import ImportRefused
from dockcfgd.planning.target import Applied
from dockcfgd.reconcile.assess import assess
from dockcfgd.reconcile.importing import import_from
from dockcfgd.settings import Settings
from tests.fakes.host import FakeHost

_CONF = "/etc/dockcfgd/conf.toml"
_DEFAULTS = 'DOCKER_OPTS="--mtu=1400"\nNO_PROXY=example.com\n'


def _imported(host: FakeHost) -> Imported:
    return import_from(host.effects, Settings())


def test_a_host_of_its_own_is_taken_over_and_plans_to_nothing() -> None:
    host = FakeHost(daemon_json='{"debug": true, "labels": ["rack=7"]}')
    host.files.put("/etc/default/docker", _DEFAULTS)
    imported = _imported(host)
    assert imported.notes == ()
    assert "# from --mtu=1400 in /etc/default/docker:1 (left there)\n# mtu = 1400" in imported.toml
    assert '# NO_PROXY = "example.com"' in imported.toml
    host.files.put(_CONF, imported.toml)
    seen = assess(host.effects, Settings(), Applied())
    assert (seen.findings, seen.plan and seen.plan.steps) == ((), ())
    assert seen.desired is not None
    assert seen.desired.engine == {"debug": True, "labels": ["rack=7"]}


def test_without_systemd_daemon_json_is_taken_over_and_the_rest_is_told() -> None:
    host = FakeHost(daemon_json='{"debug": true}')
    host.files.put("/etc/default/docker", _DEFAULTS)
    host.systemd.unreachable = True
    imported = _imported(host)
    assert "debug = true" in imported.toml
    assert "mtu" not in imported.toml
    (note,) = imported.notes
    assert note.message.startswith("flags, environment and drop-ins were not looked at: cannot ")


def test_what_is_in_force_comes_along_but_not_a_service_that_is_not_there_yet() -> None:
    host = FakeHost(daemon_json='{"debug": true}')
    host.files.put(_CONF, '[service]\nenvironment = { A = "b" }\n[verify]\nsettle = "1s"\n')
    imported = _imported(host)
    assert f'[verify]\nsettle = "1s"  # from {_CONF}:4\n' in imported.toml
    assert "environment" not in imported.toml


def test_a_refused_desired_state_is_left_out_and_told() -> None:
    host = FakeHost(daemon_json='{"debug": true}')
    host.files.put(_CONF, "[engin]\n")
    imported = _imported(host)
    assert "debug = true" in imported.toml
    assert [f"{_CONF}:1: engin: no such key" in note.message for note in imported.notes] == [True]


def test_what_is_no_file_is_refused() -> None:
    host = FakeHost()
    host.files.folder("/etc/docker/daemon.json")
    with pytest.raises(ImportRefused, match=r"/etc/docker/daemon\.json: is a directory"):
        _imported(host)
