"""The images of a backup: saving them into archives, loading them, and finding them again."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration import layerless
from dockcfgd.migration.archive import (
    Entry,
    read_archive,
    read_document,
    write_archive,
    write_document,
)
from dockcfgd.migration.documents import Document, number, tables, text
from dockcfgd.migration.inventory import Image
from dockcfgd.migration.reporting import reported
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dockcfgd.migration.access import Access
    from dockcfgd.ports import Images, Progressing

__all__ = [
    "PresentImages",
    "load_images",
    "present_ids",
    "read_content",
    "read_images",
    "save_images",
]

_LIST = "images.json"
_NOT_FOUND = 404


def save_images(
    access: Access,
    wanted: Sequence[Image],
    *,
    folder: str,
    total: int,
    progress: Progressing,
    through: Callable[[Iterable[bytes]], Generator[bytes]] | None = None,
) -> None:
    """Save those of the `wanted` images that the backup does not have yet, and list them all.

    The first archive is images.tar.zst; what came later, or got another name, is in images-2 …, and
    so are images without layers that the engine cannot save. What was saved and is gone now stays
    listed, without names: a container with --rm may have been the last to use it. The chunks of an
    archive go `through` that on their way.
    """
    known, archives = read_images(folder)
    present = {image.id for image in wanted}
    gone = [replace(image, tags=()) for image in known if image.id not in present]
    saved = {(image.id, image.tags) for image in known}
    missing = [image for image in wanted if (image.id, image.tags) not in saved]
    if missing:
        for source in _sources(access, missing):
            number_ = len(archives) + 1
            path = "images.tar.zst" if number_ == 1 else f"images-{number_}.tar.zst"
            with source as stream:
                chunks = reported(stream, item=path, total=total, progress=progress)
                # Closed at once where writing fails: somebody may wait for the next chunk.
                with closing(through(chunks) if through else chunks) as given:
                    archives = [*archives, write_archive(folder, path, given)]
    elif Path(folder, _LIST).exists() and [*wanted, *gone] == known:
        return
    document: Document = {
        "content": total,
        "images": [image.to_json() for image in (*wanted, *gone)],
        "archives": [dict(asdict(entry)) for entry in archives],
    }
    write_document(folder, _LIST, document)


def _sources(
    access: Access, missing: Sequence[Image]
) -> Iterator[AbstractContextManager[Iterator[bytes]]]:
    """Give the archives that have the images together: the engine's, and one made beside it."""
    facts = access.facts()
    bare = [image for image in missing if not image.layers and facts.driver not in SNAPSHOTTERS]
    asked = [reference for image in missing if image not in bare for reference in image.references]
    if asked:
        yield access.images.save(asked)
    if bare:
        archive = layerless.archive_of(access.files, bare, root=facts.root, driver=facts.driver)
        yield nullcontext(archive)


def read_images(folder: str) -> tuple[list[Image], list[Entry]]:
    """Give the images of a backup, complete or not, and the archives that have them."""
    if not Path(folder, _LIST).exists():
        return [], []
    document = read_document(folder, _LIST)
    entries = [
        Entry(text(entry, "path"), number(entry, "size"), text(entry, "sha256"))
        for entry in tables(document, "archives")
    ]
    return [Image.from_json(image) for image in tables(document, "images")], entries


def read_content(folder: str) -> int:
    """Give the bytes of all layers of a backup's images, each counted once."""
    return number(read_document(folder, _LIST), "content") if Path(folder, _LIST).exists() else 0


def load_images(images: Images, *, folder: str, progress: Progressing) -> dict[str, str]:
    """Load what is not there yet; give the present ID for each of the backup's images.

    EngineFailure where one is still missing afterwards.
    """
    wanted, archives = read_images(folder)
    present = PresentImages(images)
    if not all(present.is_complete(image) for image in wanted):
        total = read_content(folder)
        for entry in archives:
            chunks = read_archive(folder, entry)
            images.load(reported(chunks, item=entry.path, total=total, progress=progress))
    return present_ids(images, wanted)


def present_ids(images: Images, wanted: Iterable[Image]) -> dict[str, str]:
    """Give the ID that each image has here.

    The IDs are the same from one graph driver to another; containerd's store has its own.
    """
    found = {}
    present_images = PresentImages(images)
    for image in wanted:
        present = present_images.id(image)
        if present is None:
            label = image.tags[0] if image.tags else image.id
            raise EngineFailure(
                what=f"load image {label}", status=0, why="the engine does not have it afterwards"
            )
        found[image.id] = present
    return found


class PresentImages:
    """The images of an engine, as another engine's images are looked for among them."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._configs: Mapping[str, str] | None = None

    def id(self, image: Image) -> str | None:
        """Give the ID that an image has here.

        That is its own, that of the image with the same configuration, or that of one of its names;
        None where it is not there.
        """
        ways = (self._own, self._by_config, self._by_name)
        return next(filter(None, (way(image) for way in ways)), None)

    def is_complete(self, image: Image) -> bool:
        """Whether an image is there with all its names."""
        present = self._own(image) or self._by_config(image)
        return present is not None and all(
            _id(self._images, name) == present for name in image.tags
        )

    def _own(self, image: Image) -> str | None:
        return _id(self._images, image.id)

    def _by_config(self, image: Image) -> str | None:
        if self._configs is None:
            self._configs = self._images.configs()
        config = image.config or image.id
        known = [identity for identity, has in self._configs.items() if has == config]
        known += [image.config] if image.config else []
        return next(filter(None, (_id(self._images, identity) for identity in known)), None)

    def _by_name(self, image: Image) -> str | None:
        return next(filter(None, (_id(self._images, name) for name in image.tags)), None)


def _id(images: Images, name: str) -> str | None:
    try:
        return text(images.inspect(name), "Id")
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise
        return None
