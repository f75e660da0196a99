"""Deleting what storage drivers made, by a program in a unit of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.adapters.told_program import follow_program
from dockcfgd.layers import free as program
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.kept import Freed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.adapters.containerd import Containerd
    from dockcfgd.adapters.systemd import SystemdBus
    from dockcfgd.ports import Progressing

__all__ = ["UnitFreeing"]

_SECONDS = 24 * 3600.0
_UNIT = "dockcfgd-free.service"
_ENDED = (0, 1)


class UnitFreeing:
    """ports.Freeing by systemd's transient units. `runtime_dir` is only root's to write to."""

    def __init__(self, systemd: SystemdBus, containerd: Containerd, runtime_dir: str) -> None:
        self._systemd, self._containerd = systemd, containerd
        self._output = Path(runtime_dir, "free.txt")

    def free(self, folders: Sequence[str], *, progress: Progressing) -> Freed:
        """Delete folders with all that is in them."""
        told = _Told(progress)
        end = follow_program(
            self._systemd,
            _UNIT,
            [sys.executable, "-I", "-S", str(program.__file__), *folders],
            what="the deletion of a storage driver's data",
            output=self._output,
            timeout=_SECONDS,
            tell=told.take,
            attend=told.again,
        )
        if end.status not in _ENDED:
            how = end.result if end.status is None else f"exit status {end.status}"
            raise SystemdFailure(what="delete a storage driver's data", name=end.result, why=how)
        return Freed(told.bytes, told.subvolumes, tuple(told.left))

    def clear_store(self, snapshotter: str) -> None:
        """Remove all that the engine left in containerd's store."""
        self._containerd.clear(snapshotter)


class _Told:
    """What the program said so far."""

    def __init__(self, progress: Progressing) -> None:
        self._progress = progress
        self._done = self._total = 0
        self.bytes = self.subvolumes = 0
        self.left: list[str] = []

    def take(self, said: dict[str, Any]) -> None:
        if "left" in said:
            self.left.append(str(said["left"]))
            return
        self._done, self._total = int(said["done"]), int(said["total"])
        self.bytes, self.subvolumes = int(said["bytes"]), int(said["subvolumes"])
        self.again()

    def again(self) -> None:
        self._progress(item="", done=self._done, total=self._total, unit="layers")
