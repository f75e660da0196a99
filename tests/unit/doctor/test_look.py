"""The look through the ports: as root, as somebody else, with the engine down, without a bus."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dockcfgd.doctor.finding import Level
from dockcfgd.doctor.leftovers import leftovers_of
from dockcfgd.doctor.lenient import LenientFiles
from dockcfgd.doctor.look import look_doctor
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineSilent, FileFailure, SystemdFailure
from dockcfgd.model.files import FileState
from dockcfgd.model.host import EngineState, UnitState
from dockcfgd.model.systemd import JobVerb
from dockcfgd.ports import Containers, Engine
from dockcfgd.settings import Settings
from tests.fakes.files import FakeFiles
from tests.unit.doctor.surroundings import Ward


def _look(ward: Ward, **ports: Any) -> list[dict[str, str]]:
    effects = replace(ward.host.effects, **ports)
    document = look_doctor(effects, Settings(), ward.instruments())
    assert json.loads(json.dumps(document)) == document
    assert document["schema"] == 1
    findings: list[dict[str, str]] = document["findings"]
    assert all({"level", "what", "why", "remedy"} <= one.keys() for one in findings)
    return findings


def _what(findings: list[dict[str, str]], level: Level) -> list[str]:
    return [one["what"] for one in findings if one["level"] == level]


def test_a_host_that_is_well() -> None:
    findings = _look(Ward())
    assert _what(findings, Level.ERROR) == []
    assert _what(findings, Level.WARNING) == []
    assert not [what for what in _what(findings, Level.INFO) if what.startswith("not checked")]


def test_left_over_folders_are_found_with_the_containers_that_they_hide() -> None:
    ward = Ward()
    root = "/var/lib/docker"
    ward.host.files.put(f"{root}/overlay2/x/file", b"in use")
    ward.host.files.put(f"{root}/vfs/dir/x/file", b"12345")
    ward.host.files.put(f"{root}/image/vfs/repositories.json", b"{}")
    ward.host.files.put(f"{root}/containers/c1/config.v2.json", '{"Driver": "vfs"}')
    ward.host.files.put(f"{root}/containers/c2/config.v2.json", "broken")
    (left,) = (one for one in _look(ward) if "left /" in one["what"])
    assert left["what"] == f"vfs left {root}/vfs and {root}/image/vfs: 7 B"
    assert "1 container made with it" in left["why"]


def test_containers_of_a_snapshotter_are_not_hidden_by_a_left_over_driver_of_its_name() -> None:
    ward = Ward()
    root = "/var/lib/docker"
    ward.host.files.put(f"{root}/btrfs/subvolumes/x", b"12345")
    ward.host.files.put(f"{root}/containers/c1/config.v2.json", '{"Driver": "btrfs"}')
    store: Json = [["driver-type", "io.containerd.snapshotter.v1"]]
    engine = EngineState("26.1.5", "1.45", {"Driver": "btrfs", "DriverStatus": store})
    host = replace(ward.case().host, engine=engine)
    (left,) = leftovers_of(ward.vitals, LenientFiles(ward.host.files), host, root) or ()
    assert (left.driver, left.containers) == ("btrfs", 0)


def test_the_driver_of_an_engine_that_is_down_is_that_of_its_containers() -> None:
    ward = Ward()
    ward.host.systemd.run_job(JobVerb.STOP, "docker.service", timeout=90)
    root = "/var/lib/docker"
    ward.host.files.put(f"{root}/overlay2/x", b"")
    ward.host.files.put(f"{root}/vfs/dir/x", b"12345")
    ward.host.files.put(f"{root}/containers/c1/config.v2.json", '{"Driver": "vfs"}')
    findings = _look(ward)
    assert f"overlay2 left {root}/overlay2: 0 B" in _what(findings, Level.WARNING)
    assert "the engine does not run" in _what(findings, Level.WARNING)
    assert _what(findings, Level.ERROR) == []


class _Guarded(FakeFiles):
    """What another user may not read."""

    def __init__(self, files: FakeFiles) -> None:
        super().__init__()
        self._open = files

    def read(self, path: str, *, limit: int = 1 << 24) -> FileState:
        if path == "/etc/docker/daemon.json":
            raise FileFailure(what="read", path=path, errno=13, why="Permission denied")
        return self._open.read(path, limit=limit)

    def names(self, folder: str) -> tuple[str, ...]:
        if folder.startswith("/var/lib/docker"):
            raise FileFailure(what="list", path=folder, errno=13, why="Permission denied")
        return self._open.names(folder)


def test_another_user_is_told_what_was_not_checked() -> None:
    ward = Ward()
    ward.root = False
    ward.vitals.hidden = {"/var/lib/dockcfgd/state.db"}
    ward.vitals.spaces = {"/var/lib/docker": None}
    findings = _look(ward, files=_Guarded(ward.host.files))
    unseen = {one["what"]: one for one in findings if one["what"].startswith("not checked: ")}
    assert set(unseen) == {
        "not checked: /etc/docker/daemon.json",
        "not checked: left-over driver folders",
        "not checked: permissions of /var/lib/dockcfgd/state.db",
        "not checked: space of /var/lib/docker",
    }
    assert {one["remedy"] for one in unseen.values()} == {"sudo dockcfgctl doctor"}
    assert {one["level"] for one in unseen.values()} == {"info"}
    assert _what(findings, Level.ERROR) == []


class _Mute:
    """A systemd that nobody reaches."""

    def unit(self, name: str) -> UnitState:
        raise SystemdFailure(what=f"read the state of {name}", name="", why="no bus")

    def stopping(self) -> bool:
        return False


def test_without_systemd_the_files_are_still_judged() -> None:
    ward = Ward()
    ward.host.files.put("/etc/docker/daemon.json", '{"live-restor": true}')
    findings = _look(ward, systemd=_Mute())
    assert "not checked: docker.service" in _what(findings, Level.INFO)
    assert "/etc/docker/daemon.json: live-restor" in _what(findings, Level.WARNING)


class _NoRoom:
    """ports.Validator where the copy to check cannot be written."""

    def check(self, binary: str, flags: Sequence[str], content: bytes) -> tuple[str, ...] | None:
        del binary, flags, content
        why = "No space left on device"
        raise FileFailure(what="write", path="/tmp/validate-x", errno=errno.ENOSPC, why=why)

    def version(self, binary: str) -> str:
        return "26.1.5" if binary else ""


def test_a_full_disk_is_told_of_and_does_not_end_the_look() -> None:
    ward = Ward()
    findings = _look(ward, validator=_NoRoom())
    (untold,) = (one for one in findings if one["what"] == "not checked: dockerd --validate")
    assert "No space left on device" in untold["why"]


def test_nothing_shown_holds_a_secret() -> None:
    ward = Ward(daemon_json='{"proxies": {"http-proxy": "http://me:hidden-Qx7@proxy"}}')
    assert "hidden-Qx7" not in json.dumps(_look(ward))
    ward.host.files.put(
        "/etc/default/docker", 'DOCKER_OPTS="--http-proxy=http://me:hidden-Qx8@p"\n'
    )
    assert "hidden-Qx8" not in json.dumps(_look(ward))


def test_containerd_s_root_is_where_its_file_says() -> None:
    ward = Ward()
    ward.host.files.put("/etc/containerd/config.toml", 'root = "/srv/containerd"\n')
    whats = _what(_look(ward), Level.OK)
    assert "containerd's root /srv/containerd is on the filesystem of /var/lib/docker" in whats


@pytest.mark.parametrize("text", ["a = " + "[" * 9999, "root = [", "\0"])
def test_a_file_of_containerd_that_is_no_toml_tells_nothing(text: str) -> None:
    ward = Ward()
    ward.host.files.put("/etc/containerd/config.toml", text)
    whats = _what(_look(ward), Level.OK)
    assert "containerd's root /var/lib/containerd is on the filesystem of /var/lib/docker" in whats


class _Stuck:
    """ports.Containers of an engine that lists one container and is silent when asked about it."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._containers, name)

    def inspect(self, container: str) -> dict[str, Json]:
        self.asked += 1
        raise EngineSilent(what=f"inspect container {container}", why="no answer within 60 s")


def test_containers_that_the_engine_says_nothing_of_are_told_and_asked_about_once() -> None:
    ward = Ward()
    ward.host.run("db")
    stuck = _Stuck(ward.host.effects.containers)
    findings = _look(ward, containers=stuck)
    (untold,) = (one for one in findings if one["check"] == "containers.differing")
    assert untold["level"] == Level.WARNING
    assert "no answer within 60 s" in untold["why"]
    assert stuck.asked == 1


class _Odd:
    """ports.Engine with other values in its /info."""

    def __init__(self, engine: Engine, changes: dict[str, Json]) -> None:
        self._engine, self._changes = engine, changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def info(self) -> dict[str, Json]:
        return {**self._engine.info(), **self._changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"Swarm": {"LocalNodeState": []}},
        {"RegistryConfig": {"IndexConfigs": {"docker.io": {}}}},
        {"Warnings": [None]},
    ],
)
def test_an_answer_of_an_unknown_form_does_not_end_the_look(changes: dict[str, Json]) -> None:
    ward = Ward()
    assert _what(_look(ward, engine=_Odd(ward.host.effects.engine, changes)), Level.ERROR) == []


def test_a_network_of_an_unknown_form_does_not_end_the_look() -> None:
    ward = Ward()
    odd: Json = {"Name": "odd", "Driver": []}
    networks = SimpleNamespace(list=lambda: [odd])
    assert _what(_look(ward, networks=networks), Level.ERROR) == []
