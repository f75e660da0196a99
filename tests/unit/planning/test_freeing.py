"""Whatever the command is: what is freed no longer conflicts, and everything else stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.model.desired import Json, KeyPath, Service
from dockcfgd.planning.drop_in import rebased, render_drop_in
from dockcfgd.planning.flags import by_flags, parse_flags
from dockcfgd.planning.freeing import carried_over, conflicting, effective, freed_flags
from dockcfgd.planning.launch import Launch, launch_of, launch_with, running_flags
from dockcfgd.planning.unit_text import quote
from tests.golden.described_host import host_of

_FLAGS = [
    "-D", "-H fd://", "-DH fd://", "-Hfd://", "-s overlay2", "-s=overlay2", "--icc=false",
    "--log-driver=journald", "--log-driver journald", "--label=a=b c", "--label 'x'", "-l warn",
    "--log-opt max-size=1m", "--host-gateway-ip=::1", "--add-runtime=a=/b", "-g /srv",
    "--no-such", "--no-such=1", "--feature=buildkit=false", "--mtu 1400", "--config-file=/d.json",
]  # fmt: skip
_DOCUMENT: dict[str, Json] = {
    "debug": True,
    "hosts": ["fd://"],
    "storage-driver": "overlay2",
    "icc": False,
    "log-driver": "journald",
    "labels": ["a=b c"],
    "log-level": "warn",
    "log-opts": {"max-size": "1m"},
    "host-gateway-ips": ["::1"],
    "runtimes": {"a": {"path": "/b"}},
    "data-root": "/srv",
    "features": {"buildkit": False},
    "mtu": 1400,
}


def _words(flag: str) -> list[str]:
    name, blank, value = flag.partition(" ")
    return [name, value] if blank and not name.endswith("=b") else [flag]


@st.composite
def _commands(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a command, its flags partly in a variable, and the value of that."""
    parts: list[str] = []
    inside: list[str] = []
    for flag in draw(st.lists(st.sampled_from(_FLAGS), max_size=6)):
        (inside if draw(st.booleans()) else parts).extend(_words(flag))
    text = " ".join(quote(word, command=True) for word in parts)
    return f"/usr/sbin/dockerd $OPTS {text}", " ".join(f'"{word}"' for word in inside)


@given(_commands(), st.sets(st.sampled_from(sorted(_DOCUMENT))))
def test_what_is_freed_is_out_of_the_way_and_the_rest_stays(
    command: tuple[str, str], named: set[str]
) -> None:
    text, value = command
    files = {"/etc/default/docker": f"OPTS={_as_value(value)}\n"}
    host = host_of({"exec-start": text, "environment-files": files})
    document = {name: _DOCUMENT[name] for name in named}
    managed: set[KeyPath] = {(name,) for name in named}
    launch = launch_of(host)
    freed = freed_flags(launch, managed)
    after = launch_with(host, render_drop_in(Service(), launch, freed))
    assert conflicting(after.flags, document) == ()
    stays = [(flag.name, flag.value) for flag in launch.flags if flag not in freed]
    assert [(flag.name, flag.value) for flag in after.flags] == stays


def _as_value(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


@given(st.lists(st.text(max_size=9) | st.sampled_from(_FLAGS)))
def test_any_arguments_are_read_somehow(arguments: list[str]) -> None:
    flags = parse_flags(arguments)
    effective({"log-opts": {"a": "b"}}, flags)
    assert all(0 <= flag.first <= flag.last < len(arguments) for flag in flags)


def test_no_number_is_made_of_what_is_none() -> None:
    flags = parse_flags(["--mtu=--5", "--default-ulimit=core=-1:--2", "--shutdown-timeout=-1"])
    assert by_flags(flags) == {"default-ulimits": {"core": None}, "shutdown-timeout": -1}


def _launched(command: str, **described: object) -> Launch:
    return launch_of(host_of({"exec-start": command, **described}))


@pytest.mark.parametrize(
    ("command", "key", "left"),
    [
        ("/d -DH fd://", "debug", "/d -H fd://"),
        ("/d -DH fd://", "hosts", "/d -D"),
        ("@/d name -D --mtu=1", "debug", "@/d name --mtu=1"),
        (":/d $X -D '--label=$Y'", "debug", ":/d $X '--label=$Y'"),
        ('/d "--label=a  b" --label=%H -s "overlay2"', "storage-driver", None),
        ("/d --icc=false --icc", "icc", "/d"),
        ("/d ${DRIVER} --mtu=1", "log-driver", "/d --mtu=1"),
        ("/d $SEVERAL --mtu=1", "log-driver", '/d "--label=a b" --label=50%% --label=$$X --mtu=1'),
        ("/d $SEVERAL $OTHER", "mtu", "/d $SEVERAL"),
        ("/d --log-driver $ONE", "log-driver", "/d"),
        ("/d $NONE ${NONE} -D", "debug", "/d $NONE ${NONE}"),
        ("/d -D -- --debug", "debug", "/d -- --debug"),
    ],
)
def test_how_the_command_is_built_anew(command: str, key: str, left: str | None) -> None:
    variables = (
        "DRIVER=--log-driver=local\nONE=local\nOTHER=--mtu=1400\n"
        "SEVERAL='\"--label=a b\" --log-driver=local --label=50% --label=$X'\n"
    )
    launch = _launched(command, **{"environment-files": {"/e": variables}})
    freed = freed_flags(launch, {(key,)})
    assert freed
    expected = left or '/d "--label=a  b" --label=%H'
    assert launch.without(freed) == expected


def test_a_flag_has_the_place_of_its_variable() -> None:
    described = {"environment-files": {"/e": "\n\nA='--debug'\n"}}
    launch = _launched("/d --mtu=1 $A", **described)
    places = {flag.name: launch.place(flag) for flag in launch.flags}
    assert places == {"--mtu": ("/usr/lib/systemd/system/docker.service", 3), "--debug": ("/e", 3)}


_ARGUMENTS = ("--raw-logs", "--label=a b", "--label=$X%n", "")


@pytest.mark.parametrize("prefix", ["", ":"])
def test_a_generation_comes_back_on_the_base_of_today(prefix: str) -> None:
    service = Service(
        environment={"A": "b c"}, arguments=_ARGUMENTS, unit={"Unit": {"After": ("x", "y")}}
    )
    then, now = _launched(f"{prefix}/d -D --mtu=1"), _launched(f"{prefix}/e --mtu=2 -D --icc")
    managed = {("mtu",)}
    made = render_drop_in(service, then, freed_flags(then, managed))
    assert rebased(made, then, managed) == made
    again = rebased(made, now, managed)
    described = {"exec-start": f"{prefix}/e --mtu=2 -D --icc"}
    after = launch_with(host_of(described), again)
    assert (after.binary, after.arguments) == ("/e", ("-D", "--icc", *_ARGUMENTS))
    assert after.environment["A"].value == "b c"
    assert again is not None
    assert b"After=x\nAfter=y\n" in again


def test_a_generation_without_a_drop_in_frees_what_stands_in_its_way_today() -> None:
    now = _launched("/d --mtu=2")
    made = rebased(None, now, {("mtu",)})
    assert made is not None
    assert made.endswith(b"ExecStart=\nExecStart=/d\n")
    assert rebased(made, _launched("/d"), {("mtu",)}) is None
    assert rebased(None, now, {("icc",)}) is None
    assert rebased(b"[Service]\nExecStart=/x\n", now, {("mtu",)}) == b"[Service]\nExecStart=/x\n"


def test_our_own_environment_does_not_count_for_the_base() -> None:
    host = host_of(
        {
            "exec-start": "/d $OPTS",
            "drop-in": "[Service]\nEnvironment=OPTS=--debug\n",
            "unit": {"environment": ("OPTS=--debug",)},
        }
    )
    assert launch_of(host).flags == ()
    assert [flag.key for flag in launch_with(host, host.drop_in.content).flags] == ["debug"]


def test_the_running_command_counts_for_what_a_reload_takes() -> None:
    host = host_of({"exec-start": "/d --debug", "command": ["/d", "--mtu=1"]})
    assert [flag.key for flag in running_flags(host)] == ["mtu"]
    assert [flag.key for flag in running_flags(host_of({"exec-start": "/d -D"}))] == ["debug"]


def test_names_beside_those_named_are_carried_over() -> None:
    launch = _launched(
        "/d --log-opt=max-size=1m --log-opt max-file=3 --feature=a=true --feature b=false"
        " --default-ulimit nofile=1:2 --default-network-opt=bridge=x.mtu=9"
    )
    assert carried_over({("log-opts", "max-size"), ("mtu",)}, launch) == {
        ("log-opts", "max-file"): "3"
    }
    assert carried_over({("features", "c")}, launch) == {
        ("features", "a"): True,
        ("features", "b"): False,
    }
    assert carried_over({("default-ulimits", "core")}, launch) == {
        ("default-ulimits", "nofile"): {"Name": "nofile", "Hard": 2, "Soft": 1}
    }
    assert carried_over({("default-network-opts", "macvlan")}, launch) == {
        ("default-network-opts", "bridge"): {"x.mtu": "9"}
    }
    assert carried_over({("log-opts",)}, launch) == {}


def test_what_flags_say_in_the_words_of_the_file() -> None:
    flags = parse_flags(
        [
            "-D",
            "--debug=false",
            "--mtu",
            "1",
            "--mtu=2",
            "--label",
            "a=b",
            "--label=c",
            "--log-opt",
            "x=y",
            "--graph",
            "/a",
            "--mtu=x",
            "--http-proxy=u",
            "--add-runtime",
            "a=b",
        ]
    )
    assert by_flags(flags) == {
        "debug": False,
        "labels": ["a=b", "c"],
        "log-opts": {"x": "y"},
        "data-root": "/a",
        "proxies.http-proxy": "u",
    }
    assert effective({"labels": ["z"], "mtu": 7}, flags)["proxies"] == {"http-proxy": "u"}
    assert effective({"labels": ["z"]}, flags)["labels"] == ["z"]
