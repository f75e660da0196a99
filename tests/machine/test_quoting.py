"""What is written for systemd, and what is read of it, is what its processes get: byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.model.desired import Service
from dockcfgd.model.host import HostState, UnitFile
from dockcfgd.planning.drop_in import render_drop_in
from dockcfgd.planning.launch import launch_of
from machine import Machine
from tests.golden.described_host import host_of

pytestmark = pytest.mark.suite("bookworm", "trixie", "forky")

_UNIT = "/run/systemd/system/dump.service"
_DROP_IN = "/run/systemd/system/dump.service.d/zz.conf"
_FILE = "/etc/default/dump"
_PROGRAM = "/usr/local/bin/dump"
_DUMP = """\
#!/bin/sh
cat /proc/$$/cmdline > /run/dump.arguments
cat /proc/$$/environ > /run/dump.environment
"""
_HEAD = f"[Service]\nType=oneshot\nEnvironmentFile=-{_FILE}\n"
_SPECIAL = (
    "\n\t \"'\\$%;#{}[]=*?!~&|<>()`^,@:-+/.abnrtvsxuU0127\u00e9\u20ac\U0001f40b\xa0\x85\u2028"
)

_NASTY = [
    "", " ", "a b", "  lead and trail  ", "'", '"', "it's", 'say "x"', "\\", "\\\\", "a\\", "\\n",
    "two\nlines", "tab\there", "$", "$$", "$HOME", "${HOME}", "a$HOME", "a${HOME}b", "$$HOME", "%",
    "%%", "%n", "%H", "100%", "%%n", ";", "a;b", "; rm", "#", "# no comment", "[Service]", "a=b",
    "ExecStart=/bin/false", "-", "--", "@x", "\\x41", "\\101", "\\u00e9", "\u00e9", "\u20ac uro",
    "\U0001f40b", "\xa0", "\u2028", "\x85", "*", "~", "!", "\\;", "x\\\ny", "'a' \"b\" \\ $c %d",
    "http://user:p%40ss$word@proxy:3128/?a=b&c=d",
]  # fmt: skip
_CONTROLS = [chr(code) for code in (*range(1, 32), 127)]

# Lines of a command as people write them, and worse.
_WRITTEN = [
    "a  'b c' \"d e\" f\\ g",
    "--label='a b'c\"d\"",
    "\\x41 \\101 \\u00e9 \\U0001f40b \\xc3\\xa9 \\xff",
    "\\q \\x4 \\x00 \\777 'single \\n too' \\s \\\\n",
    "a \\; b ';' \";\" c; ;d",
    "$OPTS ${OPTS} a${OPTS}b a$OPTS $$OPTS $NONE ${NONE} $OPTS-x '$OPTS' \"${OPTS}\"",
    "${OPTS $ {OPTS} $1 ${1} ${A B}",
    "%% %t %S 100%%x %%t",
    "a \\\n  # comment\n  b \\\n ; other\n\\\n  c",
    "a\\\nb",
    "tail \\\\",
    "# no comment here",
]
_VARIABLES = [
    "OPTS=a b", "OPTS=a;b #c", "OPTS='a b' \"c d\"", 'OPTS="a b \\"c d\\" \\$x \\y"',
    "OPTS=a\\ b\\nc", "OPTS=a\"b c\"d 'e f'", "OPTS= \"x y\" 'z' w \"q\" ", "OPTS=one\\\n two",
    "OPTS='one\\\n two'", "OPTS=\"'a b' c\\\\ d\"", "OPTS=%% $HOME", "# OPTS=no\n;x\n OPTS = y z ",
    "OPTS=", "export OPTS=a",
]  # fmt: skip


@dataclass(frozen=True)
class _Got:
    arguments: list[str]
    environment: dict[str, str]


def _texts(data: bytes) -> list[str]:
    return [one.decode("utf-8", "surrogateescape") for one in data.split(b"\0")[:-1]]


class _Rig:
    """A service that tells what it got."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.write(_PROGRAM, _DUMP, mode=0o755)

    def host(self, command: str, variables: str = "") -> HostState:
        unit = UnitFile(_UNIT, f"{_HEAD}ExecStart={_PROGRAM} {command}\n")
        files = (UnitFile(_FILE, variables),)
        return replace(host_of({}), unit_files=(unit,), environment_files=files)

    def start(self, host: HostState, drop_in: bytes | None) -> _Got:
        self._machine.write(_UNIT, host.unit_files[0].text)
        self._machine.write(_FILE, host.environment_files[0].text)
        self._machine.write(_DROP_IN, drop_in or b"")
        self._machine.run("rm -f /run/dump.*; systemctl daemon-reload && systemctl start dump")
        said = self._machine.run_bytes(["cat", "/run/dump.environment"])
        pairs = (one.partition("=") for one in _texts(said))
        arguments = _texts(self._machine.run_bytes(["cat", "/run/dump.arguments"]))
        return _Got(arguments[2:], {name: value for name, _, value in pairs})


@pytest.fixture(scope="module")
def rig(module_machine: Machine) -> _Rig:
    return _Rig(module_machine)


def _arrives(rig: _Rig, values: list[str], environment: list[str]) -> None:
    host = rig.host("--first '--second one'")
    names = {f"V{number}": value for number, value in enumerate(environment)}
    service = Service(arguments=tuple(values), environment=names)
    got = rig.start(host, render_drop_in(service, launch_of(host)))
    assert got.arguments == ["--first", "--second one", *values]
    assert {name: got.environment.get(name) for name in names} == names


def test_nasty_values_arrive_as_they_are(rig: _Rig) -> None:
    _arrives(rig, [*_NASTY, *_CONTROLS], [*_NASTY, "\n", "\t"])


_VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(_SPECIAL.replace("\x85", ""))
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_VALUES, min_size=30, max_size=60))
def test_any_values_arrive_as_they_are(rig: _Rig, values: list[str]) -> None:
    _arrives(rig, values, values)


@pytest.mark.parametrize("command", _WRITTEN)
def test_a_command_is_read_as_systemd_reads_it(rig: _Rig, command: str) -> None:
    host = rig.host(command, "OPTS='a \"b c\" d\\\\e'\n")
    assert rig.start(host, None).arguments == [*launch_of(host).arguments]


@pytest.mark.parametrize("variables", _VARIABLES)
def test_an_environment_file_is_read_as_systemd_reads_it(rig: _Rig, variables: str) -> None:
    host = rig.host("$OPTS ${OPTS}", f"{variables}\nLAST=1\n")
    launch = launch_of(host)
    got = rig.start(host, None)
    assert got.arguments == [*launch.arguments]
    read = launch.environment.get("OPTS")
    assert got.environment.get("OPTS") == (None if read is None else read.value)


@pytest.mark.parametrize(
    "line",
    [
        "A=\"b c\" 'D=e f' G=h\\x41",
        'A=$OPTS B=%% C=a"b"c',
        "A=1 B C=3",
        "1A=2 B=3",
        "A='x",
        "A=1 B=\\q C=2",
        "A=1 'B=2",
    ],
)
def test_unit_environment_is_read_as_systemd_reads_it(rig: _Rig, line: str) -> None:
    host = rig.host("")
    text = host.unit_files[0].text.replace("[Service]\n", f"[Service]\nEnvironment={line}\n")
    host = replace(host, unit_files=(UnitFile(_UNIT, text),))
    read = {name: one.value for name, one in launch_of(host).environment.items()}
    got = rig.start(host, None).environment
    assert {name: got[name] for name in got if len(name) <= 2 and name != "_"} == {
        name: read[name] for name in read if name != "LAST"
    }
