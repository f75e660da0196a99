from __future__ import annotations

import io
import tarfile
from typing import Literal

import pytest

from dockcfgd.migration.tar_members import BadArchive, Source, members


def header(name: str, *, size: int, kind: Literal[0, 1, 2]) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(format=kind)


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("size", [0, 7, 9 * 1024**3, 2**40])
def test_sizes(kind: Literal[0, 1, 2], size: int) -> None:
    source = Source([header("big", size=size, kind=kind)])
    member = next(members(source))
    assert (member.name, member.size, member.regular) == ("big", size, True)
    assert member.padded % 512 == 0
    assert size <= member.padded < size + 512


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_names(kind: Literal[0, 1, 2]) -> None:
    name = "d" * 90 + "/" + "f" * 90
    assert next(members(Source([header(name, size=0, kind=kind)]))).name == name


def test_links_and_folders_have_no_content() -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, kind in (("f", tarfile.DIRTYPE), ("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "x"
            archive.addfile(entry)
    found = list(members(Source([output.getvalue()])))
    assert [(member.name.rstrip("/"), member.size, member.regular) for member in found] == [
        ("f", 0, False),
        ("s", 0, False),
        ("h", 0, False),
    ]


def test_an_archive_that_ends_too_early_is_refused() -> None:
    source = Source([header("a", size=1000, kind=tarfile.USTAR_FORMAT), b"x" * 999])
    member = next(members(source))
    with pytest.raises(BadArchive, match="too early"):
        list(source.pieces(member.padded))
