"""FILE arguments that are no desired state: refused at once, with what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockcfgd.cli.errors import UsageError
from dockcfgd.cli.named_files import read_files
from dockcfgd.model.errors import FileFailure


def test_name_and_text_of_each(tmp_path: Path) -> None:
    path = tmp_path / "10-a.toml"
    path.write_text("schema = 1\n")
    link = tmp_path / "20-b.toml"
    link.symlink_to(path)
    assert read_files([str(path), str(link)]) == (
        ("10-a.toml", "schema = 1\n"),
        ("20-b.toml", "schema = 1\n"),
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xef\xbb\xbfschema = 1\n", ":1: begins with a byte order mark"),
        (b'schema = 1\na = "\xff"\n', ":2: not valid UTF-8"),
        (b"# \xc3", r"it ends in the middle of a character"),
        (b"#" * (1 << 20) + b"\n", "it has more than"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=why):
        read_files([str(path)])


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="not a regular file"):
        read_files([str(path)])


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(tmp_path: Path, target: str) -> None:
    path = tmp_path / "a.toml"
    path.symlink_to(target)
    with pytest.raises(UsageError, match="not a regular file"):
        read_files([str(path)])


@pytest.mark.parametrize("target", ["nowhere", "a.toml"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, target: str) -> None:
    path = tmp_path / "a.toml"
    path.symlink_to(target)
    with pytest.raises(FileFailure, match=r"a\.toml"):
        read_files([str(path)])
