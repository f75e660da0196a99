"""The engine's own check, by the rules of the simulated one."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from dockcfgd.engine_keys.version import EngineVersion
from tests.fakes.configuration import Refused, load, parse_command
from tests.fakes.dockerd import Dockerd

__all__ = ["FakeValidator"]

_FIRST = EngineVersion(23, 0)


class FakeValidator:
    """ports.Validator. As the real check it misses what only a start shows."""

    def __init__(self, dockerd: Dockerd) -> None:
        self._dockerd = dockerd

    def check(self, binary: str, flags: Sequence[str], content: bytes) -> tuple[str, ...] | None:
        if self.version(binary) == "" or self._dockerd.release < _FIRST:
            return None
        try:
            load(content, parse_command(flags), self._dockerd.release)
        except Refused as refused:
            return (str(refused),)
        return ()

    def version(self, binary: str) -> str:
        return self._dockerd.version if posixpath.basename(binary) == "dockerd" else ""
