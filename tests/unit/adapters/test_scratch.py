"""What a check by another program comes to where its copy cannot be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dockcfgd.adapters.dockerd import DockerdValidator
from dockcfgd.adapters.systemd_analyze import SystemdAnalyze
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.host import UnitFile

_UNIT = UnitFile("/usr/lib/systemd/system/docker.service", "[Service]\nExecStart=/bin/true\n")


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a folder that nothing can be written to; the one for temporary files is no better."""
    missing = str(tmp_path / "none")
    monkeypatch.setattr(tempfile, "tempdir", missing)
    return missing


def _program(folder: Path, says: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_of_dockerd(tmp_path: Path, full: str) -> None:
    binary = _program(tmp_path, "Docker version 26.1.5, build x")
    with pytest.raises(FileFailure, match=r"cannot write .*: No such file"):
        DockerdValidator(folder=full).check(binary, (), b"{}")


def test_of_systemd(tmp_path: Path, full: str) -> None:
    checker = SystemdAnalyze(folder=full, program=_program(tmp_path, ""))
    with pytest.raises(FileFailure, match=r"cannot write .*: No such file"):
        checker.check((_UNIT,), "zz-dockcfgd.conf", b"")


def test_nothing_stays_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    DockerdValidator(folder=str(folder)).check(
        _program(tmp_path, "Docker version 26.1.5"), (), b"{}"
    )
    SystemdAnalyze(folder=str(folder), program=_program(tmp_path, "")).check(
        (_UNIT,), "a.conf", b""
    )
    assert [*folder.iterdir()] == []
