"""Bringing chosen images of a backup to an engine that has others, whose names they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockcfgd.migration.archive import Entry, read_archive
from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.image_filter import contents_of, only
from dockcfgd.migration.reporting import reported
from dockcfgd.migration.saved_images import read_images
from dockcfgd.migration.tar_members import BadArchive
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockcfgd.migration.inventory import Image
    from dockcfgd.ports import Images, Progressing

__all__ = ["Standing", "load_chosen", "standing"]

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Standing:
    """How images of a backup stand to an engine.

    `there` has the present IDs of those that are there, by their own. `missing` are the others and
    those that lack a name, each with the names that are free; `taken` the names of other images.
    """

    there: dict[str, str]
    missing: tuple[Image, ...]
    taken: tuple[str, ...]


def standing(images: Images, wanted: Iterable[Image]) -> Standing:
    """Look which of the images are there: by ID or configuration, or by a name and the layers."""
    configs = images.configs()
    there: dict[str, str] = {}
    missing, taken = [], []
    for image in wanted:
        named = {tag: _inspected(images, tag) for tag in image.tags}
        own = [_inspected(images, one) for one in (image.id, image.config) if one]
        same = [
            one for one in (*own, *named.values()) if one is not None and _same(one, image, configs)
        ]
        if same:
            there[image.id] = text(same[0], "Id")
        free = tuple(tag for tag, one in named.items() if one is None)
        taken += [
            tag for tag, one in named.items() if one is not None and not _same(one, image, configs)
        ]
        if not same or free:
            missing.append(replace(image, tags=free))
    return Standing(there, tuple(missing), tuple(taken))


def load_chosen(
    images: Images, missing: Sequence[Image], *, folder: str, progress: Progressing
) -> dict[str, str]:
    """Load images with the names that they have here; give their present IDs by their own.

    EngineFailure where one is not there afterwards.
    """
    if not missing:
        return {}
    wanted: dict[str, tuple[str, ...]] = {}
    for image in missing:
        # In containerd's store several may have one configuration, as two builds of the same have.
        config = image.config or image.id
        wanted[config] = (*wanted.get(config, ()), *image.tags)
    total = sum(image.size for image in missing)
    for entry in read_images(folder)[1]:
        _load_from(images, entry, wanted, folder=folder, total=total, progress=progress)
    now = standing(images, missing)
    for image in missing:
        if image.id not in now.there:
            label = image.tags[0] if image.tags else image.id
            why = "the engine does not have it afterwards"
            raise EngineFailure(what=f"load image {label}", status=0, why=why)
    return now.there


def _load_from(
    images: Images,
    entry: Entry,
    wanted: dict[str, tuple[str, ...]],
    *,
    folder: str,
    total: int,
    progress: Progressing,
) -> None:
    try:
        contents = contents_of(read_archive(folder, entry))
    except BadArchive as error:
        what = f"read {entry.path} of the backup"
        raise EngineFailure(what=what, status=0, why=str(error)) from error
    entries: list[Document] = contents.choose(wanted)
    if entries:
        needed = contents.members(entries)
        chunks = only(read_archive(folder, entry), entries, needed=needed)
        images.load(reported(chunks, item=entry.path, total=total, progress=progress))


def _same(document: Document, image: Image, configs: Mapping[str, str]) -> bool:
    identity = text(document, "Id")
    same_config = configs.get(identity, identity) == (image.config or image.id)
    same_layers = bool(image.layers) and texts(document, "RootFS", "Layers") == list(image.layers)
    return identity == image.id or same_config or same_layers


def _inspected(images: Images, name: str) -> Document | None:
    try:
        return images.inspect(name)
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise
        return None
