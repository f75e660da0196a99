"""docker.service and what dockerd makes of its files: simulated and on booted machines."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure, SystemdFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobResult, JobVerb
from tests.contract.hosts import DAEMON_JSON, DROP_IN, Host

# A minute or two for each release.
pytestmark = pytest.mark.suite("trixie")

BUSYBOX = "busybox:latest"
SECONDS = 60.0
SETTLE = 20.0


def configure(host: Host, document: Mapping[str, Json]) -> None:
    host.put(DAEMON_JSON, json.dumps(document))


def job(host: Host, verb: JobVerb, unit: str = DOCKER_SERVICE) -> JobResult:
    return host.systemd.run_job(verb, unit, timeout=SECONDS)


def restart(host: Host) -> JobResult:
    """Restart as dockcfgd does, the start limit reset before."""
    for unit in (DOCKER_SERVICE, DOCKER_SOCKET):
        host.systemd.reset_failed(unit)
    return job(host, JobVerb.RESTART)


def reload(host: Host, document: Mapping[str, Json]) -> Mapping[str, str] | None:
    """Reload with a file, give the event's attributes or None."""
    configure(host, document)
    with host.engine.reload_events() as events:
        assert job(host, JobVerb.RELOAD) is JobResult.DONE
        return events.next(timeout=2)


def sorted_words(attributes: Mapping[str, str] | None) -> dict[str, list[str]]:
    """Give attributes to compare: the runtimes come in any order."""
    return {name: sorted(value.split()) for name, value in (attributes or {}).items()}


def run(host: Host, name: str, **host_config: Json) -> str:
    body: dict[str, Json] = {
        "Image": BUSYBOX,
        "Cmd": ["sleep", "1000"],
        "StopTimeout": 1,
        "HostConfig": host_config,
    }
    made = host.containers.create(name, body)
    host.containers.start(made)
    return made


def states(host: Host) -> dict[str, str]:
    found = {}
    for container in host.containers.list():
        names = container["Names"]
        assert isinstance(names, list)
        found[str(names[0]).removeprefix("/")] = str(container["State"])
    return found


def started_at(host: Host, name: str) -> Json:
    state = host.containers.inspect(name)["State"]
    assert isinstance(state, dict)
    return [state["StartedAt"], state["Pid"]]


def failing(host: Host) -> bool:
    return host.systemd.unit(DOCKER_SERVICE).active_state == "failed"


class TestReload:
    def test_the_event_has_the_effective_values(self, host: Host) -> None:
        document: dict[str, Json] = {
            "debug": True,
            "labels": ["b=1", "a=2"],
            "max-concurrent-downloads": 7,
            "shutdown-timeout": 20,
            "default-shm-size": "128M",
            "features": {"buildkit": True},
            "insecure-registries": ["r.example:5000"],
            "registry-mirrors": ["https://m.example"],
            "runtimes": {"other": {"path": "/bin/true"}},
        }
        told = reload(host, document)
        assert told is not None
        assert told["debug"] == "true"
        assert sorted(json.loads(told["labels"])) == ["a=2", "b=1"]
        assert told["max-concurrent-downloads"] == "7"
        assert told["shutdown-timeout"] == "20"
        assert told["default-shm-size"] == "134217728"
        assert told["features"] == "map[buildkit:true]"
        assert json.loads(told["insecure-registries"]) == ["r.example:5000"]
        assert [mirror.rstrip("/") for mirror in json.loads(told["registry-mirrors"])] == [
            "https://m.example"
        ]
        assert "other:/bin/true" in told["runtimes"].split()
        info = host.engine.info()
        assert info["Debug"] is True
        labels = info["Labels"]
        assert isinstance(labels, list)
        assert {str(label) for label in labels} == {"a=2", "b=1"}

    def test_what_a_dropped_key_leaves(self, host: Host) -> None:
        before = reload(host, {})
        assert before is not None
        kept: dict[str, Json] = {"debug": True, "labels": ["a=1"], "shutdown-timeout": 20}
        assert reload(host, {**kept, "max-concurrent-downloads": 7, "features": {"x": True}})
        after = reload(host, {})
        assert after is not None
        assert (after["debug"], after["labels"]) == ("true", '["a=1"]')
        assert after["shutdown-timeout"] == "20"
        assert after["max-concurrent-downloads"] == before["max-concurrent-downloads"] == "3"
        assert after["features"] == before["features"]
        written = reload(host, {"debug": False, "labels": [], "shutdown-timeout": 15})
        assert sorted_words(written) == sorted_words(before)

    @pytest.mark.parametrize(
        "text", ['{"nope": 1}', "{,", '{"debug": "yes"}', '{"hosts": ["unix:///x"]}', "[]"]
    )
    def test_a_bad_file_is_no_event_and_changes_nothing(self, host: Host, text: str) -> None:
        assert reload(host, {"labels": ["a=1"]})
        host.put(DAEMON_JSON, text)
        with host.engine.reload_events() as events:
            assert job(host, JobVerb.RELOAD) is JobResult.DONE
            assert events.next(timeout=1) is None
        assert host.engine.info()["Labels"] == ["a=1"]
        assert host.systemd.unit(DOCKER_SERVICE).running

    def test_a_restart_key_seems_to_be_taken(self, host: Host) -> None:
        assert reload(host, {"log-driver": "local"}) is not None
        assert host.engine.info()["LoggingDriver"] == "json-file"

    def test_containers_are_not_disturbed(self, host: Host) -> None:
        run(host, "one")
        before = started_at(host, "one")
        assert reload(host, {"debug": True}) is not None
        assert started_at(host, "one") == before

    def test_a_stopped_engine_cannot_reload(self, host: Host) -> None:
        job(host, JobVerb.STOP)
        assert not job(host, JobVerb.RELOAD).good

    def test_events_end_with_the_engine(self, host: Host) -> None:
        with host.engine.reload_events() as events:
            job(host, JobVerb.STOP)
            assert events.next(timeout=5) is None


class TestStart:
    def test_values_are_in_force_after_a_restart(self, host: Host) -> None:
        document: dict[str, Json] = {"log-driver": "local", "debug": True, "labels": ["a=1"]}
        configure(host, document)
        before = host.systemd.unit(DOCKER_SERVICE)
        assert restart(host) is JobResult.DONE
        after = host.systemd.unit(DOCKER_SERVICE)
        info = host.engine.info()
        assert (info["LoggingDriver"], info["Debug"], info["Labels"]) == ("local", True, ["a=1"])
        assert (after.active_state, after.sub_state, after.result) == (
            "active",
            "running",
            "success",
        )
        assert after.invocation_id not in {"", before.invocation_id}
        assert after.main_pid not in {0, before.main_pid}
        assert after.restarts == 0
        configure(host, {})
        assert restart(host) is JobResult.DONE
        assert host.engine.info()["LoggingDriver"] == "json-file"
        assert host.engine.info()["Debug"] is False

    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ({"nope": 1}, "nope"),
            ({"debug": "yes"}, "debug"),
            ({"hosts": ["unix:///x"]}, "hosts: (from flag: [fd://]"),
            ({"storage-driver": "nope"}, "driver not supported"),
            ({"storage-driver": "vfs", "storage-opts": ["overlay2.size=1G"]}, "overlay2.size"),
            ({"default-runtime": "nope"}, "nope"),
        ],
    )
    def test_a_refused_file_fails_the_job_and_is_told(
        self, host: Host, document: Mapping[str, Json], said: str
    ) -> None:
        configure(host, document)
        assert restart(host) is JobResult.FAILED
        unit = host.systemd.unit(DOCKER_SERVICE)
        assert unit.active_state in {"activating", "failed"}
        assert not unit.running
        assert said in host.last_line()
        configure(host, {})
        assert restart(host) is JobResult.DONE
        assert host.engine.ping()

    def test_a_failing_engine_runs_into_the_start_limit(self, host: Host) -> None:
        configure(host, {"nope": 1})
        assert restart(host) is JobResult.FAILED
        assert host.wait_until(lambda: failing(host), seconds=SETTLE)
        unit = host.systemd.unit(DOCKER_SERVICE)
        # From systemd 258 on the limit is the result, before it is what came first.
        assert unit.result in {"exit-code", "start-limit-hit"}
        assert (unit.exec_status, unit.restarts) == (1, 3)
        assert host.systemd.unit(DOCKER_SOCKET).active_state == "failed"
        configure(host, {})
        assert not job(host, JobVerb.START).good
        assert restart(host) is JobResult.DONE

    def test_an_unknown_log_driver_shows_with_the_first_container(self, host: Host) -> None:
        configure(host, {"log-driver": "nope"})
        assert restart(host) is JobResult.DONE
        assert host.engine.info()["LoggingDriver"] == "nope"
        with pytest.raises(EngineFailure, match="nope"):
            run(host, "one")

    @pytest.mark.parametrize(
        "document",
        [
            {"foo": {"debug": True}},
            {"label": ["a=1"]},
            {"features": {"nope": True}},
            {"debug": None},
        ],
    )
    def test_what_the_engine_accepts_and_ignores(
        self, host: Host, document: Mapping[str, Json]
    ) -> None:
        configure(host, document)
        assert restart(host) is JobResult.DONE
        info = host.engine.info()
        assert (info["Debug"], info["Labels"] or []) == (False, [])

    @pytest.mark.parametrize("text", ["", "null", "\ufeff{}", "{} {}"])
    def test_odd_files(self, host: Host, text: str) -> None:
        host.put(DAEMON_JSON, text)
        old = host.major < 23
        accepted = {"": not old, "null": True, "\ufeff{}": not old, "{} {}": old}[text]
        assert restart(host).good is accepted

    def test_the_start_limit_counts_good_starts_and_downs_the_socket(self, host: Host) -> None:
        host.systemd.reset_failed(DOCKER_SERVICE)
        results = [job(host, JobVerb.RESTART) for _ in range(4)]
        assert [result.good for result in results] == [True, True, True, False]
        unit = host.systemd.unit(DOCKER_SERVICE)
        assert (unit.active_state, unit.result) == ("failed", "start-limit-hit")
        assert host.systemd.unit(DOCKER_SOCKET).active_state == "failed"
        assert restart(host) is JobResult.DONE

    def test_a_killed_engine_comes_back_by_itself(self, host: Host) -> None:
        before = host.systemd.unit(DOCKER_SERVICE)
        host.kill_engine()
        assert host.wait_until(
            lambda: (
                host.systemd.unit(DOCKER_SERVICE).main_pid not in {0, before.main_pid}
                and host.systemd.unit(DOCKER_SERVICE).running
            ),
            seconds=SETTLE,
        )
        after = host.systemd.unit(DOCKER_SERVICE)
        assert after.restarts == 1
        assert after.invocation_id != before.invocation_id

    def test_stopping_the_socket_stops_the_service(self, host: Host) -> None:
        assert job(host, JobVerb.STOP, DOCKER_SOCKET) is JobResult.DONE
        assert host.systemd.unit(DOCKER_SERVICE).active_state == "inactive"
        assert host.systemd.unit(DOCKER_SOCKET).active_state == "inactive"
        assert job(host, JobVerb.START) is JobResult.DONE
        assert host.systemd.unit(DOCKER_SOCKET).active_state == "active"

    def test_stopping_and_starting_twice_is_fine(self, host: Host) -> None:
        host.systemd.reset_failed(DOCKER_SERVICE)
        for verb in (JobVerb.START, JobVerb.STOP, JobVerb.STOP, JobVerb.START):
            assert job(host, verb) is JobResult.DONE


class TestUnitFiles:
    def test_the_shipped_unit(self, host: Host) -> None:
        unit = host.systemd.unit(DOCKER_SERVICE)
        assert unit.load_state == "loaded"
        assert unit.fragment_path.endswith("/lib/systemd/system/docker.service")
        assert unit.drop_in_paths == ()
        assert not unit.need_daemon_reload
        assert unit.exec_start == (
            "/usr/sbin/dockerd",
            "-H",
            "fd://",
            "--containerd=/run/containerd/containerd.sock",
            "$DOCKER_OPTS",
        )
        assert unit.environment_files == ("/etc/default/docker",)

    def test_a_unit_that_does_not_exist(self, host: Host) -> None:
        unit = host.systemd.unit("missing.service")
        assert (unit.load_state, unit.active_state) == ("not-found", "inactive")
        host.systemd.reset_failed("missing.service")
        with pytest.raises(SystemdFailure):
            job(host, JobVerb.START, "missing.service")

    def test_a_drop_in_counts_after_it_was_read(self, host: Host) -> None:
        host.put(
            DROP_IN,
            "[Service]\nEnvironment=A=1 'B=2 3'\nExecStart=\n"
            "ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock "
            "--label=x=1 --debug\n",
        )
        unit = host.systemd.unit(DOCKER_SERVICE)
        host.systemd.reload_units()
        unit = host.systemd.unit(DOCKER_SERVICE)
        assert not unit.need_daemon_reload
        assert unit.drop_in_paths == (DROP_IN,)
        assert unit.environment == ("A=1", "B=2 3")
        assert unit.exec_start[-2:] == ("--label=x=1", "--debug")
        assert host.engine.info()["Debug"] is False
        assert restart(host) is JobResult.DONE
        info = host.engine.info()
        assert (info["Debug"], info["Labels"]) == (True, ["x=1"])
        configure(host, {"debug": True})
        assert restart(host) is JobResult.FAILED
        assert "specified both as a flag and in the configuration file: debug" in host.last_line()

    def test_a_changed_drop_in_needs_reading(self, host: Host) -> None:
        host.put(DROP_IN, "[Service]\nEnvironment=A=1\n")
        host.systemd.reload_units()
        assert not host.systemd.unit(DOCKER_SERVICE).need_daemon_reload
        # The time that systemd compares has a coarse clock.
        host.wait_until(lambda: False, seconds=0.1)
        host.put(DROP_IN, "[Service]\nEnvironment=A=2\n")
        assert host.systemd.unit(DOCKER_SERVICE).need_daemon_reload
        assert host.systemd.unit(DOCKER_SERVICE).environment == ("A=1",)
        host.systemd.reload_units()
        assert host.systemd.unit(DOCKER_SERVICE).environment == ("A=2",)


class TestContainersThroughARestart:
    def test_only_policies_bring_back(self, host: Host) -> None:
        run(host, "plain")
        run(host, "always", RestartPolicy={"Name": "always"})
        run(host, "unless", RestartPolicy={"Name": "unless-stopped"})
        run(host, "stopped", RestartPolicy={"Name": "unless-stopped"})
        host.containers.stop("stopped")
        run(host, "always-stopped", RestartPolicy={"Name": "always"})
        host.containers.stop("always-stopped")
        host.containers.create("new", {"Image": BUSYBOX, "Cmd": ["sleep", "1000"]})
        assert restart(host) is JobResult.DONE
        assert states(host) == {
            "plain": "exited",
            "always": "running",
            "unless": "running",
            "stopped": "exited",
            "always-stopped": "running",
            "new": "created",
        }

    def test_removing_ones_go_and_leave_their_volumes(self, host: Host) -> None:
        body: dict[str, Json] = {
            "Image": BUSYBOX,
            "Cmd": ["sleep", "1000"],
            "StopTimeout": 1,
            "Volumes": {"/anonymous": {}},
            "HostConfig": {"AutoRemove": True, "Binds": ["named:/named"]},
        }
        host.containers.create("running", body)
        host.containers.start("running")
        host.containers.create("never-run", body)
        before = {str(volume["Name"]) for volume in host.networks.volumes()}
        assert restart(host) is JobResult.DONE
        assert states(host) == {}
        assert {str(volume["Name"]) for volume in host.networks.volumes()} == before

    def test_live_restore_keeps_processes(self, host: Host) -> None:
        run(host, "plain")
        run(host, "paused")
        host.containers.pause("paused")
        before = started_at(host, "plain")
        assert reload(host, {"live-restore": True}) is not None
        assert restart(host) is JobResult.DONE
        assert states(host) == {"plain": "running", "paused": "paused"}
        assert started_at(host, "plain") == before
        assert reload(host, {"live-restore": False}) is not None
        assert started_at(host, "plain") == before
        configure(host, {})
        assert restart(host) is JobResult.DONE
        assert states(host)["plain"] == "exited"

    def test_a_start_without_live_restore_ends_those_that_lived_on(self, host: Host) -> None:
        run(host, "plain")
        run(host, "always", RestartPolicy={"Name": "always"})
        before = started_at(host, "always")
        assert reload(host, {"live-restore": True}) is not None
        configure(host, {})
        assert restart(host) is JobResult.DONE
        assert states(host) == {"plain": "exited", "always": "running"}
        assert started_at(host, "always") != before


class TestStorageDrivers:
    def test_another_driver_shows_nothing_of_the_first(self, host: Host) -> None:
        run(host, "one")
        host.write_inside("one", "/note", "kept")
        host.networks.create({"Name": "net"})
        identity = host.images.inspect(BUSYBOX)["Id"]
        with host.images.save([BUSYBOX]) as chunks:
            archive = b"".join(chunks)
        configure(host, {"storage-driver": "vfs"})
        assert restart(host) is JobResult.DONE
        assert host.engine.info()["Driver"] == "vfs"
        assert host.images.list() == []
        assert host.containers.list() == []
        assert host.engine.counts()[1] == 1
        host.images.load([archive])
        assert host.images.inspect(BUSYBOX)["Id"] == identity
        run(host, "one")
        assert host.containers.inspect("one")["Driver"] == "vfs"
        configure(host, {"storage-driver": "overlay2"})
        assert restart(host) is JobResult.DONE
        assert states(host) == {"one": "exited"}
        host.containers.start("one")
        assert host.read_inside("one", "/note") == "kept"

    def test_without_a_name_the_one_on_disk_is_taken(self, host: Host) -> None:
        configure(host, {"storage-driver": "vfs"})
        assert restart(host) is JobResult.DONE
        configure(host, {})
        assert restart(host) is JobResult.DONE
        # vfs never counts as one that was there.
        assert host.engine.info()["Driver"] == "overlay2"
