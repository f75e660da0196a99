"""What a container has changed, told without a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.layers import has_changed, measure_layer
from tests.support.layer_store import LayerStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LayerStore]:
    base = tmp_path / "image"
    base.mkdir()
    (base / "file").write_text("from the image")
    store = LayerStore(tmp_path / "root", base)
    store.root.mkdir()
    yield store
    store.close()


@pytest.mark.parametrize("driver", ["overlay2", "fuse-overlayfs", "vfs"])
def test_a_root_folder_alone_is_no_change_unless_it_is_another(
    store: LayerStore, driver: str
) -> None:
    place = store.make(driver)
    assert not has_changed(place)
    os.utime(place.tree, ns=(5, 7))
    assert not has_changed(place)
    assert measure_layer(place).files == 1
    Path(place.tree).chmod(0o700)
    assert has_changed(place)
    Path(place.tree).chmod(0o755)
    Path(place.tree, "file").write_text("written")
    assert has_changed(place)


def test_a_deletion_alone_is_a_change(store: LayerStore) -> None:
    place = store.make("vfs")
    Path(place.tree, "file").unlink()
    assert has_changed(place)
