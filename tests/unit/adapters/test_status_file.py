from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.adapters.status_file import publish_status


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_anybody_may_read_it_in_a_folder_that_was_removed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "dockcfgd"
    publish_status(str(folder), {"schema": 1}, "in-sync\n")
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert json.loads((folder / "status.json").read_text()) == {"schema": 1}


@pytest.mark.usefixtures("private_umask")
def test_the_mode_of_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "dockcfgd"
    folder.mkdir(mode=0o700)
    publish_status(str(folder), {"schema": 1}, "in-sync\n")
    assert folder.stat().st_mode & 0o777 == 0o700
