from __future__ import annotations

import pytest

from dockcfgd.model.desired import Service
from dockcfgd.planning.drop_in import render_drop_in
from dockcfgd.planning.launch import launch_of, parse_flags
from tests.golden.described_host import host_of


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["--log-driver=local"], [("--log-driver=local", "log-driver", "local")]),
        (["--log-driver", "local"], [("--log-driver local", "log-driver", "local")]),
        (["-H", "fd://"], [("-H fd://", "hosts", "fd://")]),
        (["-Hfd://"], [("-Hfd://", "hosts", "fd://")]),
        (["-H=fd://"], [("-H=fd://", "hosts", "fd://")]),
        (
            ["--debug", "-l", "warn"],
            [("--debug", "debug", "true"), ("-l warn", "log-level", "warn")],
        ),
        (["-D"], [("-D", "debug", "true")]),
        (["--debug=false"], [("--debug=false", "debug", "false")]),
        (["--no-such", "x"], [("--no-such x", "", "x")]),
        (["--icc", "false"], [("--icc", "icc", "true")]),
        (["--label=a=b"], [("--label=a=b", "labels", "a=b")]),
    ],
)
def test_flags_are_read_as_dockerd_does(
    arguments: list[str], flags: list[tuple[str, str, str]]
) -> None:
    assert [(flag.text, flag.key, flag.value) for flag in parse_flags(arguments)] == flags


def test_environment_files_fill_the_command() -> None:
    host = host_of(
        {
            "exec-start": "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS",
            "environment-files": {"/etc/default/docker": 'DOCKER_OPTS="--debug --mtu 1400"\n'},
        }
    )
    launch = launch_of(host)
    assert launch.binary == "/usr/sbin/dockerd"
    assert [flag.key for flag in launch.flags] == ["hosts", "debug", "mtu"]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("/usr/bin/dockerd", "/etc/docker/daemon.json"),
        ("/usr/bin/dockerd --config-file /srv/d.json", "/srv/d.json"),
        ("/usr/bin/dockerd --config-file=/srv/d.json", "/srv/d.json"),
        ("/usr/bin/dockerd --config-file=/a --config-file=/b", "/b"),
    ],
)
def test_the_command_names_daemon_json(command: str, path: str) -> None:
    assert launch_of(host_of({"exec-start": command})).config_file == path


def test_without_unit_files_systemds_own_view_counts() -> None:
    host = host_of({"unit": {"exec_start": ("/usr/bin/dockerd", "--debug")}, "exec-start": ""})
    launch = launch_of(host)
    assert launch.base is None
    assert launch.arguments == ("--debug",)
    with pytest.raises(ValueError, match="no ExecStart of its own"):
        render_drop_in(Service(arguments=("--mtu=1400",)), launch)


def test_a_changed_base_makes_another_drop_in() -> None:
    service = Service(arguments=("--mtu=1400",))
    texts = {
        render_drop_in(service, launch_of(host_of({"exec-start": command})))
        for command in ("/usr/bin/dockerd", "/usr/bin/dockerd -H fd://")
    }
    assert len(texts) == 2


class TestDropIn:
    def test_none_is_wanted(self) -> None:
        launch = launch_of(host_of({}))
        assert render_drop_in(Service(), launch) is None
        assert render_drop_in(Service(unit={"Service": {}}), launch) is None

    def test_sections_stand_in_order(self) -> None:
        service = Service(
            environment={"B": "2", "A": "1 %"},
            unit={
                "Install": {"Alias": ("x.service",)},
                "Service": {"LimitNOFILE": ("9",)},
                "Unit": {"After": ("a.service", "b.service"), "Wants": ("a.service",)},
            },
        )
        text = render_drop_in(service, launch_of(host_of({})))
        assert text is not None
        assert text.decode().split("\n", 1)[1] == (
            "[Unit]\nAfter=a.service\nAfter=b.service\nWants=a.service\n\n"
            '[Service]\nEnvironment="A=1 %%"\nEnvironment=B=2\nLimitNOFILE=9\n\n'
            "[Install]\nAlias=x.service\n"
        )
