"""A few images out of an archive of many."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from dockcfgd.migration.image_filter import contents_of, only
from dockcfgd.migration.tar_members import BadArchive
from tests.fakes.images import ImageStore


def archive(members: dict[str, bytes | tuple[bytes, str]]) -> bytes:
    """Give an archive; a member that is a pair is a link of that kind."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                member.type, member.linkname = content
                opened.addfile(member)
            else:
                member.size = len(content)
                opened.addfile(member, io.BytesIO(content))
    return output.getvalue()


def names_in(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as opened:
        return opened.getnames()


def test_a_layer_that_is_a_link_brings_what_it_leads_to() -> None:
    entry = {"Config": "aa.json", "RepoTags": ["a:1", "a:2"], "Layers": ["1/layer.tar"]}
    other = {"Config": "bb.json", "RepoTags": ["b:1"], "Layers": ["2/layer.tar", "3/layer.tar"]}
    whole = archive(
        {
            "aa.json": b"{}",
            "bb.json": b"{}",
            "1/layer.tar": (tarfile.SYMTYPE, "../2/layer.tar"),
            "2/layer.tar": b"layer" * 1000,
            "3/layer.tar": b"more",
            "manifest.json": json.dumps([entry, other]).encode(),
            "repositories": b"{}",
        }
    )
    contents = contents_of([whole])
    entries = contents.choose({"sha256:aa": ("a:2",), "sha256:cc": ()})
    assert entries == [{**entry, "RepoTags": ["a:2"]}]
    needed = contents.members(entries)
    filtered = b"".join(only([whole[:700], whole[700:]], entries, needed=needed))
    assert names_in(filtered) == ["aa.json", "1/layer.tar", "2/layer.tar", "manifest.json"]
    assert contents_of([filtered]).choose({"sha256:aa": ("a:2",)}) == entries


@pytest.mark.parametrize("oci", [False, True])
def test_both_layouts_load(oci: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    store = ImageStore()
    first = store.add({"/one": b"1"}, tag="one:1")
    second = store.build([{"/two": b"2"}], config={}, tag="two:1", base=first)
    store.add({"/three": b"3"}, tag="three:1")
    whole = store.save(["one:1", "two:1", "three:1"], oci=oci)
    contents = contents_of([whole])
    entries = contents.choose({second: ("two:1",)})
    needed = contents.members(entries)
    other = ImageStore()
    other.load(b"".join(only([whole], entries, needed=needed)))
    assert list(other.images) == [second]
    assert other.content(other.find("two:1")) == {"/one": b"1", "/two": b"2"}
    assert len(other.layers) == 2


@pytest.mark.parametrize("content", [b"", bytes(1024), b"x" * 1024])
def test_what_is_no_archive_of_images_is_told(content: bytes) -> None:
    with pytest.raises(BadArchive):
        contents_of([content])
