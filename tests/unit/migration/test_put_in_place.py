"""What was made ready takes its place, and goes again, wherever that is cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockcfgd import side_by_side as side_by_side_module
from dockcfgd.migration.folders import CARRIED, put_back, put_in_place, set_aside

Tree = dict[str, tuple[str, int]]
CONTAINERS = [f"{number:064x}" for number in range(3)]


class Cut(Exception):
    """Nothing goes on from here."""


class Host:
    """A data-root on overlay2 with an older vfs, and what was made ready for vfs."""

    def __init__(self, root: Path) -> None:
        self.root, self.aside = root, root / "dockcfgd/t"
        self.staging = root / "dockcfgd/t.staging"
        for identity in CONTAINERS:
            config = {"Driver": "overlay2", "ID": identity}
            self._put(f"containers/{identity}/config.v2.json", json.dumps(config), 0o600)
            self._put(f"containers/{identity}/hostconfig.json", "{}", 0o640)
        self._put("overlay2/l/x", "layers")
        self._put("image/overlay2/repositories.json", "names")
        self._put("vfs/dir/old", "an earlier time")
        self._put("image/vfs/repositories.json", "older names")
        self._put("dockcfgd/t.staging/vfs/dir/new", "copied")
        self._put("dockcfgd/t.staging/image/vfs/repositories.json", "names")
        self._put(f"dockcfgd/t.staging/{CARRIED}", json.dumps({"containers": CONTAINERS}))

    def _put(self, path: str, text: str, mode: int = 0o644) -> None:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        where.chmod(mode)

    def forward(self) -> None:
        set_aside(str(self.root), "vfs", str(self.aside))
        put_in_place(str(self.root), "vfs", str(self.aside), str(self.staging))

    def back(self) -> None:
        put_back(str(self.root), "vfs", str(self.aside))

    def tree(self) -> Tree:
        """Give what the engine would find."""
        found = [path for path in self.root.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.root)): (path.read_text(), path.stat().st_mode)
            for path in found
            if path.relative_to(self.root).parts[0] != "dockcfgd"
        }

    def drivers(self) -> set[str]:
        configs = self.root.glob("containers/*/config.v2.json")
        return {json.loads(one.read_text())["Driver"] for one in configs}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def cut(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """End what goes on before its call number `at` that gives something a name."""
    monkeypatch.setattr(side_by_side_module, "_MOST", 1)
    left = at

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            return act(*given)

        return acted

    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(os, "link", counted(os.link))


def test_there_and_back(host: Host) -> None:
    before = host.tree()
    host.forward()
    after = host.tree()
    assert host.drivers() == {"vfs"}
    assert after["vfs/dir/new"][0] == "copied"
    assert "vfs/dir/old" not in after
    modes = {path: mode for path, (_, mode) in before.items() if path.startswith("containers/")}
    assert {path: after[path][1] for path in modes} == modes
    host.back()
    assert host.tree() == before


def test_a_snapshotter_leaves_the_layers_of_a_driver_of_its_name_alone(host: Host) -> None:
    (host.root / "vfs").rename(host.root / "btrfs")
    (host.root / "image/vfs").rename(host.root / "image/btrfs")
    before = host.tree()
    set_aside(str(host.root), "containerd-btrfs", str(host.aside))
    put_in_place(str(host.root), "containerd-btrfs", str(host.aside), str(host.staging))
    after = host.tree()
    assert host.drivers() == {"btrfs"}
    assert {path for path, text in before.items() if after.get(path) == text} >= {
        "btrfs/dir/old",
        "image/btrfs/repositories.json",
    }
    put_back(str(host.root), "containerd-btrfs", str(host.aside))
    assert host.tree() == before


def test_what_is_saved_does_not_change_with_the_container(host: Host) -> None:
    before = host.tree()
    host.forward()
    for identity in CONTAINERS:
        where = host.root / "containers" / identity / "hostconfig.json"
        part = where.with_suffix(".part")
        part.write_text("another")
        part.replace(where)
    host.back()
    assert host.tree() == before


def test_where_a_file_can_have_one_name_only(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    before = host.tree()
    host.forward()
    assert host.drivers() == {"vfs"}
    host.back()
    assert host.tree() == before


def test_cut_off_anywhere_it_is_finished_or_undone(tmp_path: Path) -> None:
    """At each rename and each second name, forwards and backwards."""
    for at in range(100):
        for number, again in enumerate((Host.forward, Host.back)):
            host = Host(tmp_path / f"{at}-{number}")
            before = host.tree()
            with pytest.MonkeyPatch.context() as patched:
                cut(patched, at)
                try:
                    host.forward()
                except Cut:
                    pass
                else:
                    assert at > 10
                    return
            again(host)
            if again is Host.forward:
                assert host.drivers() == {"vfs"}
                host.back()
            assert host.tree() == before, f"cut off at {at}"
    pytest.fail("it never ended")
