"""Data-roots that are looked at, copied and renamed: real folders of a test's own."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

from dockcfgd.migration.left_behind import belongings
from dockcfgd.migration.renamed_root import MARK, rename_back, rename_root
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.roots import LeftBehind, RootMove, RootSurvey
from dockcfgd.ports import Progressing
from dockcfgd.roots.stamp import stamp_of
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd

__all__ = ["FakeRoots"]

_MARK = "dockcfgd/copy.json"
_APART = re.compile(r"dockcfgd|\d+\.\d+")


class FakeRoots:
    """ports.Roots. `renamable` and `seen` are what a look finds; `full` lets copies not fit."""

    def __init__(self, dockerd: Dockerd, cuts: Cuts) -> None:
        self._dockerd, self._cuts = dockerd, cuts
        self.renamable = False
        self.full = False
        self.seen = RootSurvey("", "", filesystem="ext4", free_bytes=50 * 1024**3)

    def survey(self, move: RootMove) -> RootSurvey:
        source, target = move.source, move.target
        there = Path(target)
        names = sorted(one.name for one in there.iterdir()) if there.is_dir() else []
        return replace(
            self.seen,
            source=source,
            target=target,
            renamable=self.renamable and not names and not move.shift,
            there=there.is_dir(),
            holds=tuple(name for name in names if not (move.shift and _APART.fullmatch(name))),
            copied_from=self._begun(target).get("source", ""),
            stamp=stamp_of(target),
        )

    def copy_live(self, move: RootMove, *, progress: Progressing) -> None:
        if self.full:
            why = "No space left on device"
            raise FileFailure(what="copy to", path=move.target, errno=28, why=why)
        self._cuts.at("before: copy the data-root")
        mark = Path(move.target, _MARK)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"source": move.source, "name": move.name}))
        self._cuts.at("while copying the data-root")
        self._copy(move)
        progress(item=move.target, done=1, total=1, unit="bytes")
        self._cuts.at("after: copy the data-root")

    def copy_rest(self, move: RootMove, *, progress: Progressing) -> None:
        assert self._dockerd.process is None, "the engine runs while the rest is copied"
        assert self._begun(move.target) == {"source": move.source, "name": move.name}
        self._cuts.at("before: copy the rest of the data-root")
        self._copy(move)
        progress(item=move.target, done=1, total=1, unit="bytes")
        self._cuts.at("after: copy the rest of the data-root")

    def discard(self, move: RootMove) -> None:
        self._cuts.at("before: remove the copy of the data-root")
        if self._begun(move.target).get("name") == move.name:
            process = self._dockerd.process
            assert process is None or process.root.path != move.target, "the engine is on it"
            self._clear(move)
            shutil.rmtree(Path(move.target, "dockcfgd"))
            if not any(Path(move.target).iterdir()):
                Path(move.target).rmdir()
            self._dockerd.roots.pop(move.target, None)
        self._cuts.at("after: remove the copy of the data-root")

    def rename(self, move: RootMove) -> None:
        assert self._dockerd.process is None, "the engine runs while its data-root is renamed"
        self._cuts.at("before: rename the data-root")
        rename_root(move.source, move.target, move.name)
        self._cuts.at("after: rename the data-root")

    def rename_back(self, move: RootMove) -> None:
        renamed = any(Path(one, MARK).exists() for one in (move.source, move.target))
        assert not (renamed and self._dockerd.process), "the engine runs while it is renamed"
        self._cuts.at("before: rename the data-root back")
        rename_back(move.source, move.target, move.name)
        self._cuts.at("after: rename the data-root back")

    def remove_left(self, left: LeftBehind, *, progress: Progressing) -> None:
        process = self._dockerd.process
        assert process is None or process.root.path != left.path, "the engine is on it"
        self._cuts.at("before: remove a data-root that was left")
        progress(item=left.path, done=0, total=1, unit="folders")
        for path in map(Path, belongings(left)):
            inner = path.iterdir() if path == Path(left.path) and path.is_dir() else [path]
            for one in sorted(inner):
                shutil.rmtree(one) if one.is_dir() else one.unlink(missing_ok=True)
                self._cuts.at("while removing a data-root that was left")
            if path == Path(left.path) and path.is_dir():
                path.rmdir()
        self._dockerd.roots.pop(left.path, None)
        self._cuts.at("after: remove a data-root that was left")

    def _copy(self, move: RootMove) -> None:
        self._clear(move)
        for one in Path(move.source).iterdir():
            if one.is_dir() and not _APART.fullmatch(one.name):
                shutil.copytree(one, Path(move.target, one.name))
        self._dockerd.copy_root(move.source, move.target)

    @staticmethod
    def _clear(move: RootMove) -> None:
        for one in Path(move.target).iterdir():
            if one.is_dir() and not _APART.fullmatch(one.name):
                shutil.rmtree(one)
        Path(move.target, ".root").unlink(missing_ok=True)

    @staticmethod
    def _begun(target: str) -> dict[str, str]:
        mark = Path(target, _MARK)
        return json.loads(mark.read_text()) if mark.exists() else {}
