"""docker.service as systemd reads it from its files."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.fakes.files import FakeFiles

__all__ = [
    "DOCKER_SERVICE_FILE",
    "DOCKER_SOCKET_FILE",
    "GENERATED",
    "LoadedUnit",
    "load_unit",
    "unit_text",
]

DOCKER_SERVICE_FILE = "/usr/lib/systemd/system/docker.service"
DOCKER_SOCKET_FILE = "/usr/lib/systemd/system/docker.socket"
GENERATED = "/run/systemd/generator.late"
_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", GENERATED)

_SERVICE = """\
[Unit]
Description=Docker Application Container Engine
After=network-online.target docker.socket firewalld.service containerd.service time-set.target
Wants=network-online.target containerd.service
Requires=docker.socket

[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
{restart}
StartLimitBurst=3
StartLimitInterval=60s
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
"""
_SOCKET = """\
[Unit]
Description=Docker Socket for the API

[Socket]
ListenStream=/run/docker.sock
SocketMode=0660

[Install]
WantedBy=sockets.target
"""
_OLD = 20


@dataclass(frozen=True, slots=True)
class LoadedUnit:
    """A unit in systemd's memory: its files when they were read, and what they say."""

    fragment: str = ""
    drop_ins: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    settings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        return bool(self.fragment)

    @property
    def command(self) -> tuple[str, ...]:
        """The words of ExecStart, variables as they stand."""
        commands = self.settings.get("Service.ExecStart") or [""]
        return tuple(shlex.split(commands[-1]))

    @property
    def environment(self) -> tuple[str, ...]:
        words = [shlex.split(line) for line in self.settings.get("Service.Environment", [])]
        return tuple(word for line in words for word in line)

    @property
    def environment_files(self) -> tuple[str, ...]:
        entries = self.settings.get("Service.EnvironmentFile", [])
        return tuple(entry.removeprefix("-") for entry in entries)

    def number(self, name: str, default: float) -> float:
        """Give a setting of seconds or a count."""
        values = self.settings.get(name)
        return float(values[-1].removesuffix("s")) if values else default


def unit_text(name: str, *, major: int) -> str:
    """Give the file that Debian ships for a unit with an engine of this release."""
    if name == "docker.socket":
        return _SOCKET
    return _SERVICE.format(
        restart="Restart=on-failure" if major <= _OLD else "RestartSec=2\nRestart=always"
    )


def load_unit(files: FakeFiles, name: str) -> LoadedUnit:
    """Read a unit's file and drop-ins, a same-named drop-in in /etc hiding those elsewhere."""
    found = (posixpath.join(folder, name) for folder in _FOLDERS)
    fragment = next((path for path in found if files.read(path).present), "")
    if not fragment:
        return LoadedUnit()
    drop_ins: dict[str, str] = {}
    for folder in reversed(_FOLDERS):
        below = posixpath.join(folder, f"{name}.d")
        drop_ins |= {
            entry: posixpath.join(below, entry)
            for entry in files.names(below)
            if entry.endswith(".conf") and not entry.startswith(".")
        }
    paths = tuple(drop_ins[entry] for entry in sorted(drop_ins))
    texts = tuple(files.text(path) for path in (fragment, *paths))
    settings: dict[str, list[str]] = {}
    for text in texts:
        for key, value in _settings(text):
            if value:
                settings.setdefault(key, []).append(value)
            else:
                settings[key] = []
    return LoadedUnit(fragment, paths, texts, settings)


def environment_of(files: FakeFiles, unit: LoadedUnit) -> dict[str, str]:
    """Give the environment that the unit's process gets."""
    entries = list(unit.environment)
    for path in unit.environment_files:
        for line in files.text(path).splitlines():
            if line.strip() and not line.startswith(("#", ";")):
                entries += shlex.split(line)[:1]
    return dict(entry.partition("=")[::2] for entry in entries)


def expanded(words: tuple[str, ...], environment: dict[str, str]) -> list[str]:
    """Put the variables of a command in: a word of its own becomes several."""
    result: list[str] = []
    for word in words:
        if word.startswith("$") and word[1:].replace("_", "").isalnum():
            result += shlex.split(environment.get(word[1:], ""))
        else:
            result.append(word.replace("$$", "$").replace("%%", "%"))
    return result


def _settings(text: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[]")
        elif stripped and stripped[0] not in "#;" and "=" in stripped:
            name, _, value = stripped.partition("=")
            yield f"{section}.{name.strip()}", value.strip()
