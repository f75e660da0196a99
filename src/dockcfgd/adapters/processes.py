"""The processes of this host, from proc(5) (ports.Processes)."""

from __future__ import annotations

import os
from pathlib import Path

from dockcfgd.model.processes import Process

__all__ = ["HostProcesses"]

# Fields of stat counted from 0 behind the command's closing bracket.
_PARENT, _USER, _SYSTEM, _STARTED = 1, 11, 12, 19
_KIB = 1024
_EFFECTIVE = 1  # of the real, effective, saved and filesystem user


class HostProcesses:
    """Those that `proc` shows; the kernel's own threads and zombies are left out."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = Path(proc)
        self._ticks = os.sysconf("SC_CLK_TCK")

    def list(self) -> tuple[Process, ...]:
        """Give them by their ids. One that ends meanwhile is left out."""
        numbers = sorted(int(name) for name in os.listdir(self._proc) if name.isdecimal())
        return tuple(one for number in numbers if (one := self._process(number)) is not None)

    def _process(self, pid: int) -> Process | None:
        folder = self._proc / str(pid)
        try:
            head, _, tail = (folder / "stat").read_bytes().rpartition(b")")
            fields = tail.split()
            status = (folder / "status").read_text(errors="replace")
        except OSError:
            return None
        resident = _row(status, "VmRSS")
        if not resident:
            return None  # the kernel's own, or a zombie
        users = _row(status, "Uid")
        namespaces = [int(word) for word in _row(status, "NSpid")]
        return Process(
            pid=pid,
            parent=int(fields[_PARENT]),
            name=head.partition(b"(")[2].decode(errors="replace"),
            arguments=_words(_read(folder / "cmdline")),
            cgroups=_paths(_read(folder / "cgroup")),
            inner=namespaces[-1] if namespaces else pid,
            nested=len(namespaces) > 1,
            memory=int(resident[0]) * _KIB,
            cpu=(int(fields[_USER]) + int(fields[_SYSTEM])) / self._ticks,
            started=int(fields[_STARTED]) / self._ticks,
            uid=int(users[_EFFECTIVE]) if users else 0,
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _words(line: bytes) -> tuple[str, ...]:
    text = line.decode(errors="replace").removesuffix("\0")
    return tuple(text.split("\0")) if text else ()


def _row(status: str, name: str) -> list[str]:
    for line in status.split("\n"):
        key, _, value = line.partition(":")
        if key == name:
            return value.split()
    return []


def _paths(lines: bytes) -> tuple[str, ...]:
    """Give the paths of `0::/a` and `4:memory:/a`."""
    texts = (line.split(":", 2) for line in lines.decode(errors="replace").split("\n"))
    return tuple(dict.fromkeys(parts[2] for parts in texts if len(parts) == len(("id", "", ""))))
