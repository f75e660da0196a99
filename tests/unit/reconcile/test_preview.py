"""The plan document: files, old values, outage, and what is not shown."""

from __future__ import annotations

import json
from typing import Any

from dockcfgd.model.systemd import JobVerb
from dockcfgd.planning.outage import PastTransaction
from dockcfgd.planning.target import Applied
from dockcfgd.reconcile.preview import preview
from dockcfgd.settings import Settings
from tests.fakes.host import FakeHost


def _document(host: FakeHost, text: str, *past: PastTransaction) -> dict[str, Any]:
    made = preview(
        (("10-a.toml", text),),
        effects=host.effects,
        settings=Settings(),
        applied=Applied(),
        past=past,
    )
    return made.document()


def test_both_files_are_shown_before_and_after() -> None:
    host = FakeHost(daemon_json='{"icc":true}')
    files = _document(host, '[engine]\ndebug = true\n[service]\nenvironment = { A = "b" }')["files"]
    assert [one["path"].rpartition("/")[2] for one in files] == ["daemon.json", "zz-dockcfgd.conf"]
    assert files[0]["before"] == '{\n  "icc": true\n}\n'
    assert json.loads(files[0]["after"]) == {"icc": True, "debug": True}
    assert files[1]["before"] is None
    assert files[1]["after"].endswith("[Service]\nEnvironment=A=b\n")


def test_a_file_whose_layout_alone_would_change_is_not_shown() -> None:
    host = FakeHost(daemon_json='{"debug":  true}')
    assert _document(host, "[engine]\ndebug = true")["files"] == []


def test_no_secret_is_in_the_document() -> None:
    old = {"proxies": {"http-proxy": "http://me:hunter2@old"}, "log-opts": {"splunk-token": "t0ps"}}
    host = FakeHost(daemon_json=json.dumps(old))
    text = """
        [engine.proxies]
        http-proxy = "http://me:swordfish@new"
        [service.environment]
        HTTPS_PROXY = "http://me:opensesame@p"
        API_TOKEN = "abracadabra"
    """
    document = _document(host, text)
    shown = json.dumps(document)
    for secret in ("hunter2", "t0ps", "swordfish", "opensesame", "abracadabra"):
        assert secret not in shown
    assert [one["path"].rpartition("/")[2] for one in document["files"]] == [
        "daemon.json",
        "zz-dockcfgd.conf",
    ]


def test_a_secret_that_alone_changes_still_shows_as_a_change() -> None:
    host = FakeHost(daemon_json='{"proxies": {"http-proxy": "http://me:old-one@p"}}')
    document = _document(host, '[engine.proxies]\nhttp-proxy = "http://me:new-one@p"')
    (view,) = document["files"]
    assert view["before"] != view["after"]
    assert "old-one" not in json.dumps(document)
    assert "new-one" not in json.dumps(document)


def test_an_engine_that_cannot_be_asked_is_not_called_stopped() -> None:
    host = FakeHost(daemon_json='{"icc":true}')
    host.run("there")
    asked = _document(host, '[engine]\nlog-driver = "local"')
    host.dockerd.hangs = True
    document = _document(host, '[engine]\nlog-driver = "local"')
    assert document["impact"] == asked["impact"] == "restart"
    assert "restart the engine" in [step["name"] for step in document["steps"]]
    assert not any("stopped" in note for note in document["notes"])
    assert any(note.startswith("the engine runs and cannot be asked") for note in document["notes"])
    assert document["disturbed"] == {}
    (check,) = [one for one in document["checks"] if not one["run"]]
    assert check["name"] == "the running engine and its containers"
    assert check["reason"].startswith("cannot reach the engine")
    assert [one["asked"] for one in document["reach"]] == [False]


def test_an_engine_that_is_stopped_is_called_so() -> None:
    host = FakeHost(daemon_json='{"icc":true}')
    host.effects.systemd.run_job(JobVerb.STOP, "docker.service", timeout=9.0)
    document = _document(host, '[engine]\nlog-driver = "local"')
    assert "the engine is stopped: the files hold at its next start" in document["notes"]


def test_containers_are_asked_what_they_were_created_with() -> None:
    host = FakeHost()
    host.run("old")
    host.run("own", host_config={"LogConfig": {"Type": "journald", "Config": {}}})
    document = _document(host, '[engine]\nlog-driver = "local"')
    assert document["reach"] == [
        {
            "key": "log-driver",
            "applies": "new containers",
            "keep": ["old"],
            "count": 1,
            "asked": True,
        }
    ]


def test_networks_are_named() -> None:
    host = FakeHost()
    host.networks.create({"Name": "app", "Driver": "bridge"})
    document = _document(
        host, '[engine]\ndefault-address-pools = [{ base = "10.99.0.0/16", size = 24 }]'
    )
    (reach,) = document["reach"]
    assert (reach["applies"], reach["keep"], reach["count"]) == ("new networks", ["app"], 1)


def test_many_containers_are_counted_and_not_asked() -> None:
    host = FakeHost()
    for number in range(201):
        host.run(f"c{number}")
    (reach,) = _document(host, '[engine]\ndefault-shm-size = "128M"')["reach"]
    assert (reach["count"], reach["asked"]) == (201, False)


def test_nothing_is_said_of_a_check_that_has_nothing_to_check() -> None:
    document = _document(FakeHost(), "schema = 1")
    assert document["steps"] == []
    assert [check["name"] for check in document["checks"]] == ["schema", "the engine's own rules"]


def test_a_refused_change_shows_its_files_and_no_steps() -> None:
    host = FakeHost()
    host.run("web")
    document = _document(host, '[engine]\nbip = "10.1.0.1/24"\nbridge = "br0"')
    assert document["refusals"]
    assert (document["steps"], document["reach"], document["outage"]) == ([], [], None)
    assert '"bip"' in document["files"][0]["after"]
    reasons = {check["name"]: check["reason"] for check in document["checks"]}
    assert reasons["dockerd --validate"] == "refused before it"
