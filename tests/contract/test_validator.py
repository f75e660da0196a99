"""ports.Validator: simulated, and dockerd's own check in machines."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import dockcfgd
from dockcfgd.ports import Validator
from machine import Machine, MachineUnavailable
from tests.fakes import FakeHost

BINARY = "/usr/sbin/dockerd"
FLAGS = ("-H", "fd://", "--containerd=/run/containerd/containerd.sock")
_SUITES = ("bookworm", "trixie", "forky")
_FAKES = {"fake-20.10": "20.10.24+dfsg1", "fake-26.1": "26.1.5+dfsg1", "fake-28.5": "28.5.2+dfsg4"}
_FIRST_WITH_CHECK = 23
_MODULES = (
    "__init__.py",
    "adapters/__init__.py",
    "adapters/dockerd.py",
    "adapters/scratch.py",
    "model/__init__.py",
    "model/errors.py",
)

_ASK = """
import base64, json, sys
sys.path.insert(0, "/opt/dockcfgd")
from dockcfgd.adapters.dockerd import DockerdValidator
method, *arguments = json.load(sys.stdin)
if method == "check":
    arguments[2] = base64.b64decode(arguments[2])
print(json.dumps(getattr(DockerdValidator(), method)(*arguments)))
"""


class Remote:
    """The real adapter, run inside a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        package = Path(dockcfgd.__file__).parent
        for name in _MODULES:
            place = f"/opt/dockcfgd/dockcfgd/{name}"
            machine.run(["mkdir", "-p", place.rpartition("/")[0]])
            machine.copy_in(package / name, place)

    def check(self, binary: str, flags: Sequence[str], content: bytes) -> tuple[str, ...] | None:
        data = base64.b64encode(content).decode()
        told = self._ask("check", binary, list(flags), data)
        assert told is None or isinstance(told, list)
        return None if told is None else tuple(told)

    def version(self, binary: str) -> str:
        return str(self._ask("version", binary))

    def said_by(self, command: str) -> str:
        return self._machine.run(command, check=False).stdout

    def _ask(self, *question: object) -> object:
        done = self._machine.run(["python3", "-c", _ASK], input=json.dumps(question))
        answer: object = json.loads(done.stdout)
        return answer


@pytest.fixture(
    scope="module",
    params=[*_FAKES, *(pytest.param(s, marks=pytest.mark.machine) for s in _SUITES)],
)
def validator(request: pytest.FixtureRequest) -> Iterator[Validator]:
    if request.param in _FAKES:
        yield FakeHost(version=_FAKES[request.param]).validator
        return
    try:
        with Machine(request.param) as machine:
            machine.boot(until="init")
            yield Remote(machine)
    except MachineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def checking(validator: Validator) -> bool:
    """Whether this engine has a check at all."""
    return int(validator.version(BINARY).partition(".")[0]) >= _FIRST_WITH_CHECK


def test_version(validator: Validator) -> None:
    assert validator.version(BINARY).partition(".")[0] in {"20", "26", "28"}
    assert validator.version("/bin/true") == ""
    assert validator.version("/missing") == ""


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"",
        b'{"debug": true, "log-opts": {"max-size": "1m"}}',
        b'{"features": {"nope": true}}',
        b'{"storage-driver": "nope"}',
    ],
)
def test_accepted(validator: Validator, content: bytes, *, checking: bool) -> None:
    assert validator.check(BINARY, FLAGS, content) == (() if checking else None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"nope": 1}', "don't match any configuration option: nope"),
        (b'{"debug": "yes"}', "cannot unmarshal string into Go struct field"),
        (b'{"hosts": ["unix:///x"]}', "hosts: (from flag: [fd://], from file: [unix:///x])"),
        (b"{,", "invalid character"),
    ],
)
def test_complaints(validator: Validator, content: bytes, said: str, *, checking: bool) -> None:
    told = validator.check(BINARY, FLAGS, content)
    if not checking:
        assert told is None
        return
    assert told is not None
    assert len(told) == 1
    assert said in told[0]
    assert "validate-" not in told[0]


def test_the_path_is_the_units_own(validator: Validator, *, checking: bool) -> None:
    told = validator.check(BINARY, (*FLAGS, "--config-file", "/srv/d.json"), b'{"nope": 1}')
    assert (told is not None and "/srv/d.json" in told[0]) is checking


def test_a_wrong_flag(validator: Validator, *, checking: bool) -> None:
    told = validator.check(BINARY, (*FLAGS, "--nope"), b"{}")
    assert told == (("unknown flag: --nope",) if checking else None)


def test_no_user_is_made(validator: Validator, *, checking: bool) -> None:
    content = b'{"userns-remap": "default", "debug": true}'
    assert validator.check(BINARY, FLAGS, content) == (() if checking else None)
    if isinstance(validator, Remote):
        assert validator.said_by("getent passwd dockremap; cat /etc/subuid") == ""
        assert validator.said_by("ls /tmp /run | grep validate-") == ""
