"""What a container has written goes into an image: read from its driver, or else committed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockcfgd.migration.access import Access
from dockcfgd.migration.documents import text
from dockcfgd.migration.kept_images import keep_changes
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.images import MadeImage
from dockcfgd.ports import FolderArchives
from tests.fakes.folders import FakeFolders
from tests.fakes.host import FakeHost


class Unreadable:
    """Folders with a writable layer that cannot be read, or only in part."""

    def __init__(self, folders: FakeFolders, *, after: int) -> None:
        self.size, self.pack, self.unpack = folders.size, folders.pack, folders.unpack
        self._after = after

    @contextlib.contextmanager
    def pack_layer(
        self, root: str, *, driver: str, container: str, image: str, name: str = ""
    ) -> Iterator[Torn]:
        assert all((root, driver, container, image, name))
        yield Torn(self._after)


class Torn:
    """An archive that ends with an error."""

    def __init__(self, after: int) -> None:
        self._after = after

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self._after):
            yield bytes(512)
        raise FileFailure(what="archive", path="/there", errno=0, why="unknown file x")

    def steady(self) -> bool:
        return True

    def left_out(self) -> tuple[str, ...]:
        return ()

    def image(self) -> MadeImage:
        raise AssertionError("there is none")


def kept(access: Access, host: FakeHost, name: str = "web") -> str:
    document = access.containers.inspect(host.container(name).id)
    return keep_changes(access, document, purpose="test")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(data_root=str(tmp_path / "docker"))
    host.run("web", layer={"/data": b"1"})
    host.run("clean")
    return host


def access_to(host: FakeHost, folders: FolderArchives | None) -> Access:
    return replace(host.effects.access, folders=folders)


def test_it_is_read_from_the_driver(host: FakeHost) -> None:
    access = access_to(host, host.folders)
    image = kept(access, host)
    assert host.dockerd.images.content(host.dockerd.images.find(image))["/data"] == b"1"
    short = host.container("web").id[:12]
    assert text(access.images.inspect(f"dockcfgd-kept/{short}:test"), "Id") == image
    # What the image says of itself is what the container's image says.
    own = host.dockerd.images.find(host.container("web").image).document["config"]
    assert host.dockerd.images.find(image).document["config"] == own
    assert host.container("web").alive
    assert not any("commit" in label for label in host.cuts.passed)


@pytest.mark.parametrize("after", [0, 2])
def test_else_it_is_committed(host: FakeHost, after: int) -> None:
    image = kept(access_to(host, Unreadable(host.folders, after=after)), host)
    assert host.dockerd.images.content(host.dockerd.images.find(image))["/data"] == b"1"
    assert any("commit" in label for label in host.cuts.passed)
    status = host.containers.inspect(host.container("web").id)["State"]
    assert isinstance(status, dict)
    assert status["Status"] == "running"


def test_a_staging_engine_commits(host: FakeHost) -> None:
    image = kept(access_to(host, None), host)
    assert host.dockerd.images.content(host.dockerd.images.find(image))["/data"] == b"1"


def test_one_that_has_written_nothing_has_its_own(host: FakeHost) -> None:
    assert kept(access_to(host, host.folders), host, "clean") == host.container("clean").image


def test_what_an_archive_cannot_have_is_left_to_the_commit(host: FakeHost) -> None:
    host.run("unpacks", layer={"/data": b"2", "/layers/.wh.x": b""})
    image = kept(access_to(host, host.folders), host, "unpacks")
    assert host.dockerd.images.content(host.dockerd.images.find(image))["/data"] == b"2"
    assert any("commit" in label for label in host.cuts.passed)
