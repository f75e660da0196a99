"""Freeing what a storage driver made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dockcfgd.layers import free
from tests.support.layer_store import nested


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
