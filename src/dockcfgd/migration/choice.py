"""Choosing containers and images by the names that a person gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.migration.dependency import mounted_volumes, needed_by
from dockcfgd.migration.documents import Document, table, text
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.others import Others
from dockcfgd.model.errors import BackupRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dockcfgd.migration.inventory import Image

__all__ = ["Choice", "choose", "outside_needs"]

_SHORT = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen containers with the images that they need, and further images, or `all` of them."""

    containers: tuple[Document, ...]
    images: tuple[Image, ...]
    all: bool

    @property
    def networks(self) -> frozenset[str]:
        """The names of the networks that the containers are on."""
        return frozenset(
            name
            for document in self.containers
            for name in table(document, "NetworkSettings", "Networks")
        )

    @property
    def volumes(self) -> frozenset[str]:
        """The names of the volumes that the containers have."""
        return frozenset(name for document in self.containers for name in mounted_volumes(document))


def choose(
    names: Sequence[str],
    *,
    containers: Sequence[Document],
    images: Sequence[Image],
    where: str,
) -> Choice:
    """Find what `names` mean: a container's name or ID first, else an image's; none means all.

    BackupRefused where one means nothing; `where` says in what it was looked for.
    """
    if not names:
        return Choice(tuple(containers), tuple(images), all=True)
    chosen: list[str] = []
    wanted: set[str] = set()
    for name in names:
        found = [one for one in containers if _is_container(one, name)]
        if found:
            chosen += [text(one, "Id") for one in found]
            wanted |= {text(one, "Image") for one in found}
            continue
        of_image = [image.id for image in images if _is_image(image, name)]
        if not of_image:
            raise BackupRefused(
                f"cannot find {name!r}: {where} has no container or image of that name"
            )
        wanted |= set(of_image)
    return Choice(
        tuple(one for one in containers if text(one, "Id") in chosen),
        tuple(image for image in images if image.id in wanted),
        all=False,
    )


def outside_needs(
    chosen: Sequence[Document], known: Sequence[Document], *, present: Collection[str]
) -> tuple[str, ...]:
    """Give a line for each container that a chosen one needs, and that is neither chosen nor there.

    `known` are all that the backup has, `present` the names of the containers that are there.
    """
    others = Others(known, {})
    by_id = {text(document, "Id"): document for document in known}
    mine = {text(document, "Id") for document in chosen}
    lines = []
    for document in chosen:
        hard = set(needed_by(_without_compose(document), known, others)) - mine
        lines += [
            f"{container_name(document)} needs {container_name(by_id[needed])}"
            for needed in sorted(hard)
            if needed in by_id and container_name(by_id[needed]) not in present
        ]
    return tuple(lines)


def _without_compose(document: Document) -> Document:
    """Leave out depends_on, an order of starting: the engine itself does not ask for it."""
    config = dict(table(document, "Config")) | {"Labels": {}}
    return document | {"Config": config}


def _is_container(document: Document, name: str) -> bool:
    identity = text(document, "Id")
    return name in {container_name(document), identity, identity[:_SHORT]}


def _is_image(image: Image, name: str) -> bool:
    digits = image.id.removeprefix("sha256:")
    names = {*image.tags, *image.digests, image.id, digits, digits[:_SHORT]}
    _, colon, tag = name.rpartition(":")
    whole = name if colon and "/" not in tag else f"{name}:latest"
    return name in names or whole in names
