"""Space, interfaces and owners of files of the simulated host."""

from __future__ import annotations

from collections.abc import Sequence

from dockcfgd.model.files import FileKind
from dockcfgd.model.vitals import Interface, Kernel, Mount, Owner, Space, Usage
from tests.fakes.files import FakeFiles

__all__ = ["FakeVitals"]

_GIB = 1024**3


class FakeVitals:
    """ports.Vitals, over the host's files; all else is what the test sets."""

    def __init__(self, files: FakeFiles) -> None:
        self._files = files
        self.spaces: dict[str, Space | None] = {}
        self.links: list[Interface] = [
            Interface("docker0", "up", 1500, ("172.17.0.1/16",), bridge=True),
            Interface("eth0", "up", 1500, ("10.1.2.3/24",), default_route=True),
        ]
        self.mounted: list[Mount] = []
        self.machine = Kernel(
            release="6.1.0", cgroups=2, swap_limit=True, synchronized=True, forwarding=True
        )
        self.hidden: set[str] = set()

    def space(self, path: str) -> Space | None:
        plenty = Space(1, 200 * _GIB, 150 * _GIB, 1000_000, 900_000)
        return self.spaces.get(path, plenty)

    def usage(self, paths: Sequence[str], *, seconds: float) -> Usage | None:
        assert seconds > 0
        return Usage(sum(self._below(path) for path in paths))

    def _below(self, path: str) -> int:
        seen = self._files.read(path)
        if seen.kind is FileKind.REGULAR:
            return len(seen.content)
        return sum(self._below(f"{path}/{name}") for name in self._files.names(path))

    def mounts(self) -> tuple[Mount, ...]:
        return tuple(self.mounted)

    def interfaces(self) -> tuple[Interface, ...]:
        return tuple(self.links)

    def kernel(self) -> Kernel:
        return self.machine

    def owner(self, path: str) -> Owner | None:
        if path in self.hidden:
            return None
        seen = self._files.read(path)
        return Owner(seen.kind, seen.tag.uid, seen.tag.gid, seen.tag.mode, seen.mtime_ns / 1e9)
