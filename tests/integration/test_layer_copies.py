"""Writable layers copied between real overlays, snapshots and plain trees: each shows the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.layers import Place, copy_layer
from dockcfgd.layers.digest import describe_tree
from tests.support.layer_changes import CHANGES, make_folder
from tests.support.layer_store import LayerStore, btrfs_folder, need_mounts


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_mounts()
    folder = tmp_path_factory.mktemp("image") / "base"
    folder.mkdir()
    for name in CHANGES:
        make_folder(folder / name.replace(" ", "-"))
    return folder


@pytest.fixture
def store(tmp_path: Path, base: Path) -> Iterator[LayerStore]:
    with btrfs_folder(tmp_path) as folder:
        store = LayerStore(folder, base)
        yield store
        store.close()


def change(root: Path) -> None:
    for name, action in CHANGES.items():
        action(root / name.replace(" ", "-"))
    root.chmod(0o711)
    os.utime(root, ns=(5, 7_000_000_007))


def described(store: LayerStore, place: Place) -> dict[str, str]:
    with store.seen(place) as root:
        lines = (line.partition(" ")[::2] for line in describe_tree(str(root)))
        return dict(lines)


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [
        f"{name}: {one.get(name, '-')} is now {other.get(name, '-')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def test_around(store: LayerStore) -> None:
    source = store.make("overlay2")
    with store.seen(source) as root:
        change(root)
    wanted = described(store, source)
    for driver in ("vfs", "overlay2", "btrfs", "overlay2"):
        target = store.make(driver)
        copied = copy_layer(source, target)
        assert copied.files > 150
        assert differences(wanted, described(store, target)) == [], driver
        source = target
