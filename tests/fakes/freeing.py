"""Simulated deleting of what storage drivers made: of real folders, cut off at any of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dockcfgd.model.kept import Freed
from dockcfgd.ports import Progressing
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd

__all__ = ["FakeFreeing"]


class FakeFreeing:
    """ports.Freeing. `stubborn` are names of folders that cannot be deleted."""

    def __init__(self, dockerd: Dockerd, cuts: Cuts) -> None:
        self._dockerd, self._cuts = dockerd, cuts
        self.stubborn: set[str] = set()

    def free(self, folders: Sequence[str], *, progress: Progressing) -> Freed:
        total, left, freed = len(folders), [], 0
        for number, folder in enumerate(folders):
            progress(item="", done=number, total=total, unit="layers")
            if Path(folder).name in self.stubborn:
                left.append(f"{folder}: Device or resource busy")
                continue
            for path in sorted(Path(folder).glob("*")):
                self._cuts.at(f"before: delete {path.name}")
                freed += 1
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.rmtree(folder, ignore_errors=True)
            self._cuts.at("after: delete a folder")
        progress(item="", done=total, total=total, unit="layers")
        return Freed(freed * 4096, 0, tuple(left))

    def clear_store(self, snapshotter: str) -> None:
        process = self._dockerd.process
        assert process is None or process.driver != snapshotter, "the engine is on it"
        self._cuts.at("before: clear containerd's store")
        self._dockerd.containerd.clear()
        self._cuts.at("after: clear containerd's store")
