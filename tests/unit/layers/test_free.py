"""Freeing what a storage driver made."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from dockcfgd.layers import free
from tests.support.layer_store import btrfs_folder, nested


def test_folders_nested_deeper_than_a_path_can_say_are_freed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = tmp_path / "kept" / "overlay2" / "ab"
    layer.mkdir(parents=True)
    with nested(layer, b"d" * 100, 60) as deepest:
        os.close(os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=deepest))
        assert free.main([str(tmp_path / "kept")]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["bytes"] > 0
    assert list(tmp_path.iterdir()) == []


def test_subvolumes_are_deleted_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    with btrfs_folder(tmp_path) as folder:
        layers = folder / "kept" / "btrfs" / "subvolumes"
        layers.mkdir(parents=True)
        for name in ("lower", "upper", "upper/inner"):
            subprocess.run(["btrfs", "subvolume", "create", layers / name], check=True)
        assert free.main([str(folder / "kept")]) == 0
        last = json.loads(capsys.readouterr().out.splitlines()[-1])
        # The one that holds another is emptied first, as any folder is.
        assert last["subvolumes"] == 2
        assert list(folder.iterdir()) == []
