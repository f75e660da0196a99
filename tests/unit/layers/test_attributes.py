"""What a file is beside its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockcfgd.layers.copying import copy_layer
from tests.support.layer_store import LayerStore, btrfs_folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_what_btrfs_alone_knows_goes_to_no_other_filesystem(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    with btrfs_folder(tmp_path) as folder:
        source = LayerStore(folder / "root", base)
        source.root.mkdir()
        # Set once for a data-root, all that is made in there has it.
        os.setxattr(source.root, "btrfs.compression", b"zstd")
        made = source.make("vfs")
        written = Path(made.tree, "written")
        written.write_text("by the container")
        assert os.listxattr(written) == ["btrfs.compression"]
        os.setxattr(written, "user.mine", b"value")
        target = LayerStore(tmp_path / "root", base)
        target.root.mkdir()
        place = target.make("overlay2")
        copy_layer(made, place)
        copy = Path(place.tree, "written")
        assert copy.read_text() == "by the container"
        assert os.listxattr(copy) == ["user.mine"]
        target.close()
        source.close()
