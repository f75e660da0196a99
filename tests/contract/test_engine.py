"""The engine's ports: the same behaviour simulated and on Docker 20.10, 26.1 and 28.5."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from tests.contract.hosts import Host

BUSYBOX = "busybox:latest"
SLEEP: dict[str, Json] = {"Image": BUSYBOX, "Cmd": ["sleep", "1000"], "StopTimeout": 1}

REMOVED_AND_RESTARTED: dict[str, Json] = {
    "AutoRemove": True,
    "RestartPolicy": {"Name": "always"},
}


def run(host: Host, name: str, body: Mapping[str, Json] | None = None) -> str:
    made = host.containers.create(name, {**SLEEP, **(body or {})})
    host.containers.start(made)
    return made


def state(host: Host, name: str) -> Mapping[str, Json]:
    found = host.containers.inspect(name)["State"]
    assert isinstance(found, dict)
    return found


def tags(host: Host) -> set[str]:
    found = set()
    for image in host.images.list():
        names = image["RepoTags"]
        assert isinstance(names, list)
        found |= {str(name) for name in names}
    return found


class TestEngine:
    def test_serves(self, host: Host) -> None:
        major, _, minor = host.engine.ping().partition(".")
        assert (int(major), int(minor)) >= (1, 41)
        info = host.engine.info()
        assert str(info["ServerVersion"]).startswith(f"{host.major}.")
        assert info["Driver"] == "overlay2"
        assert info["DockerRootDir"] == "/var/lib/docker"
        assert info["LiveRestoreEnabled"] is False
        assert (info["Debug"], info["LoggingDriver"]) == (False, "json-file")

    def test_a_stopped_engine_is_not_woken(self, host: Host) -> None:
        host.systemd.run_job(JobVerb.STOP, DOCKER_SERVICE, timeout=30)
        assert host.systemd.unit(DOCKER_SOCKET).active_state == "active"
        for ask in (host.engine.ping, host.engine.info, host.containers.list, host.images.list):
            with pytest.raises(EngineFailure) as failure:
                ask()
            assert failure.value.status == 0
        assert host.systemd.unit(DOCKER_SERVICE).active_state == "inactive"

    def test_counts(self, host: Host) -> None:
        assert host.engine.counts() == (0, 0)
        host.networks.create({"Name": "net"})
        run(host, "one", {"Volumes": {"/data": {}}})
        assert host.engine.counts() == (1, 1)


class TestContainers:
    def test_create_inspect_list(self, host: Host) -> None:
        made = host.containers.create("/one", {**SLEEP, "Labels": {"a": "b"}})
        document = host.containers.inspect("one")
        assert (document["Id"], document["Name"]) == (made, "/one")
        assert state(host, made)["Status"] == "created"
        config, host_config = document["Config"], document["HostConfig"]
        assert isinstance(config, dict)
        assert isinstance(host_config, dict)
        assert config["Cmd"] == ["sleep", "1000"]
        assert config["Env"] == ["PATH=/bin"]
        assert config["Labels"] == {"a": "b"}
        assert config["Hostname"] == made[:12]
        assert host_config["LogConfig"] == {"Type": "json-file", "Config": {}}
        assert document["Driver"] == "overlay2"
        [listed] = host.containers.list()
        assert (listed["Id"], listed["Names"], listed["State"]) == (made, ["/one"], "created")

    @pytest.mark.parametrize(
        ("name", "body", "status"),
        [
            ("taken", SLEEP, 409),
            ("new", {"Image": "missing:1", "Cmd": ["sh"]}, 404),
            (
                "new",
                {**SLEEP, "HostConfig": REMOVED_AND_RESTARTED},
                400,
            ),
        ],
    )
    def test_refused_creations(
        self, host: Host, name: str, body: Mapping[str, Json], status: int
    ) -> None:
        host.containers.create("taken", SLEEP)
        with pytest.raises(EngineFailure, match=f"cannot create container {name}: ") as failure:
            host.containers.create(name, body)
        assert failure.value.status == status

    def test_start_and_stop_twice(self, host: Host) -> None:
        made = run(host, "one")
        host.containers.start(made)
        running = state(host, made)
        assert running["Status"] == "running"
        assert running["Pid"] != 0
        host.containers.stop(made)
        host.containers.stop(made)
        stopped = state(host, made)
        assert (stopped["Status"], stopped["Pid"]) == ("exited", 0)
        assert stopped["ExitCode"] != 0
        host.containers.start(made)
        assert state(host, made)["StartedAt"] != running["StartedAt"]

    def test_pause(self, host: Host) -> None:
        made = run(host, "one")
        host.containers.pause(made)
        host.containers.pause(made)
        assert (state(host, made)["Status"], state(host, made)["Paused"]) == ("paused", True)
        host.containers.unpause(made)
        host.containers.unpause(made)
        assert state(host, made)["Status"] == "running"
        host.containers.stop(made)
        host.containers.unpause(made)
        with pytest.raises(EngineFailure) as failure:
            host.containers.pause(made)
        assert failure.value.status == 409

    def test_what_is_not_there(self, host: Host) -> None:
        host.containers.remove("missing")
        act = host.containers
        for call in (act.inspect, act.start, act.stop, act.pause, act.unpause, act.changed):
            with pytest.raises(EngineFailure) as failure:
                call("missing")
            assert failure.value.status == 404

    def test_removal_keeps_volumes(self, host: Host) -> None:
        made = run(host, "one", {"Volumes": {"/data": {}}})
        host.containers.remove(made)
        assert host.containers.list() == []
        assert len(host.networks.volumes()) == 1

    def test_a_removing_one_goes_when_it_stops(self, host: Host) -> None:
        made = run(host, "one", {"HostConfig": {"AutoRemove": True}, "Volumes": {"/data": {}}})
        host.containers.stop(made)
        assert host.wait_until(lambda: host.containers.list() == [], seconds=10)
        assert host.wait_until(lambda: host.networks.volumes() == [], seconds=10)

    def test_commit(self, host: Host) -> None:
        made = run(host, "one", {"Env": ["A=1"], "Labels": {"l": "v"}})
        assert not host.containers.changed(made)
        host.write_inside("one", "/note", "kept")
        assert host.containers.changed(made)
        image = host.containers.commit(made, repository="dockcfgd-kept/one", tag="1")
        assert state(host, made)["Status"] == "running"
        assert host.images.inspect("dockcfgd-kept/one:1")["Id"] == image
        base = host.images.inspect(BUSYBOX)["RootFS"]
        committed = host.images.inspect(image)["RootFS"]
        assert isinstance(base, dict)
        assert isinstance(committed, dict)
        assert committed["Layers"][:-1] == base["Layers"]  # type: ignore[index]
        again = host.containers.create("two", {"Image": "dockcfgd-kept/one:1"})
        host.containers.start(again)
        assert host.read_inside("two", "/note") == "kept"
        config = host.containers.inspect(again)["Config"]
        assert isinstance(config, dict)
        assert config["Cmd"] == ["sleep", "1000"]
        assert set(config["Env"] or []) == {"A=1", "PATH=/bin"}  # type: ignore[arg-type]
        assert config["Labels"] == {"l": "v"}
        assert not host.containers.changed(again)

    def test_volumes_and_binds(self, host: Host) -> None:
        made = host.containers.create(
            "one",
            {
                **SLEEP,
                "Volumes": {"/anonymous": {}},
                "HostConfig": {"Binds": ["named:/named", "/tmp:/tmp:ro"]},
            },
        )
        mounts = host.containers.inspect(made)["Mounts"]
        assert isinstance(mounts, list)
        by_place = {str(m["Destination"]): m for m in mounts if isinstance(m, dict)}
        assert set(by_place) == {"/anonymous", "/named", "/tmp"}
        assert by_place["/named"]["Name"] == "named"
        assert len(str(by_place["/anonymous"]["Name"])) == 64
        assert (by_place["/tmp"]["Type"], by_place["/tmp"]["RW"]) == ("bind", False)
        names = {str(volume["Name"]) for volume in host.networks.volumes()}
        assert names == {"named", str(by_place["/anonymous"]["Name"])}


class TestImages:
    def test_save_and_load_keep_identity(self, host: Host) -> None:
        identity = host.images.inspect(BUSYBOX)["Id"]
        host.images.tag(BUSYBOX, repository="other", tag="1")
        with host.images.save([BUSYBOX, "other:1"]) as chunks:
            archive = b"".join(chunks)
        assert archive.endswith(bytes(1024))
        host.images.untag(BUSYBOX)
        host.images.untag("other:1")
        host.images.untag("other:1")
        assert host.images.list() == []
        host.images.load([archive[:1000], b"", archive[1000:]])
        assert tags(host) == {BUSYBOX, "other:1"}
        assert host.images.inspect(BUSYBOX)["Id"] == identity
        run(host, "one")

    def test_what_is_not_there(self, host: Host) -> None:
        host.images.untag("missing:1")
        with pytest.raises(EngineFailure) as failure:
            host.images.inspect("missing:1")
        assert failure.value.status == 404
        with pytest.raises(EngineFailure), host.images.save(["missing:1"]) as chunks:
            b"".join(chunks)

    @pytest.mark.parametrize("archive", [b"no archive" * 100, b"x" * 3_000_000])
    def test_a_broken_archive_is_an_error(self, host: Host, archive: bytes) -> None:
        with pytest.raises(EngineFailure, match="cannot load images: "):
            host.images.load([archive])
        assert tags(host) == {BUSYBOX}

    def test_the_last_name_in_use_stays(self, host: Host) -> None:
        run(host, "one")
        host.images.tag(BUSYBOX, repository="other", tag="1")
        host.images.untag("other:1")
        with pytest.raises(EngineFailure) as failure:
            host.images.untag(BUSYBOX)
        assert failure.value.status == 409
        assert tags(host) == {BUSYBOX}

    def test_a_name_moves(self, host: Host) -> None:
        made = run(host, "one")
        host.write_inside("one", "/note", "1")
        other = host.containers.commit(made, repository="other", tag="1")
        host.images.tag(BUSYBOX, repository="other", tag="1")
        assert host.images.inspect("other:1")["Id"] == host.images.inspect(BUSYBOX)["Id"]
        assert host.images.inspect(other)["RepoTags"] == []


class TestNetworks:
    def test_predefined(self, host: Host) -> None:
        assert {net["Name"] for net in host.networks.list()} == {"bridge", "host", "none"}
        assert host.networks.volumes() == []

    def test_create(self, host: Host) -> None:
        made = host.networks.create({"Name": "net", "Driver": "bridge", "Labels": {"a": "b"}})
        [found] = [net for net in host.networks.list() if net["Name"] == "net"]
        assert (found["Id"], found["Driver"], found["Labels"]) == (made, "bridge", {"a": "b"})

    def test_connect_before_the_start(self, host: Host) -> None:
        for name in ("one", "two"):
            host.networks.create({"Name": name})
        made = host.containers.create("c1", {**SLEEP, "HostConfig": {"NetworkMode": "one"}})
        endpoint: Json = {"Aliases": ["db"]}
        host.networks.connect("two", {"Container": made, "EndpointConfig": endpoint})
        host.containers.start(made)
        settings = host.containers.inspect(made)["NetworkSettings"]
        assert isinstance(settings, dict)
        networks = settings["Networks"]
        assert isinstance(networks, dict)
        assert set(networks) == {"one", "two"}
        assert "db" in networks["two"]["Aliases"]  # type: ignore[index,operator,call-overload]

    def test_what_is_not_there_shows_at_the_start(self, host: Host) -> None:
        host.containers.create("c1", {**SLEEP, "HostConfig": {"NetworkMode": "missing"}})
        host.containers.create("c2", SLEEP)
        host.networks.connect("missing", {"Container": "c2"})
        for name in ("c1", "c2"):
            with pytest.raises(EngineFailure) as failure:
                host.containers.start(name)
            assert failure.value.status == 404
            assert state(host, name)["Status"] == "created"

    def test_a_name_is_taken_once(self, host: Host) -> None:
        host.networks.create({"Name": "net", "CheckDuplicate": True})
        with pytest.raises(EngineFailure) as failure:
            host.networks.create({"Name": "net", "CheckDuplicate": True})
        assert failure.value.status == 409
