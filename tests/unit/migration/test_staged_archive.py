"""One pass over images that feeds an archive and an engine: each may fail without the other."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dockcfgd.migration import archive
from dockcfgd.migration.access import Facts
from dockcfgd.migration.inventory import Image
from dockcfgd.migration.saved_images import read_images, save_images
from dockcfgd.migration.staging import also_to
from dockcfgd.model.errors import EngineFailure, FileFailure

CHUNKS = [bytes([number]) * 100_000 for number in range(40)]
FULL = Path("/dev/full")


class Images:
    """ports.Images, as far as archives go. `refuses`: the load fails at its third chunk."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.loaded: list[bytes] = []

    @contextmanager
    def save(self, _: Sequence[str]) -> Iterator[Iterator[bytes]]:
        yield iter(CHUNKS)

    def load(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.loaded.append(bytes(chunk))
            if self._refuses and len(self.loaded) == 3:
                raise EngineFailure(what="load images", status=0, why="it is gone")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    where = str(tmp_path / "backup")
    archive.open_folder(where)
    return where


def save(images: Images, folder: str) -> None:
    given: Any = images
    access: Any = SimpleNamespace(images=images, facts=lambda: Facts("", "", "overlay2", "/"))
    save_images(
        access,
        [Image("sha256:1", ("a:1",), layers=("sha256:2",))],
        folder=folder,
        total=1,
        progress=lambda **_: None,
        through=also_to(given),
    )


def in_time(images: Images, folder: str) -> list[Exception]:
    """Save; what was raised. It fails where that does not end."""
    raised: list[Exception] = []

    def work() -> None:
        try:
            save(images, folder)
        except (EngineFailure, FileFailure) as error:
            raised.append(error)

    before = threading.active_count()
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(30)
    assert not worker.is_alive(), "it waits for ever"
    assert threading.active_count() == before
    return raised


def test_both_get_all_of_it(folder: str) -> None:
    images = Images()
    assert in_time(images, folder) == []
    assert images.loaded == CHUNKS
    (entry,) = read_images(folder)[1]
    assert b"".join(archive.read_archive(folder, entry)) == b"".join(CHUNKS)


def test_a_full_disk_ends_it(folder: str) -> None:
    Path(folder, "images.tar.zst.part").symlink_to(FULL)
    (failure,) = in_time(Images(), folder)
    assert "No space left on device" in str(failure)


def test_an_engine_that_refuses_ends_it(folder: str) -> None:
    images = Images(refuses=True)
    (failure,) = in_time(images, folder)
    assert "it is gone" in str(failure)
    assert len(images.loaded) == 3
    assert not Path(folder, "images.tar.zst").exists()
