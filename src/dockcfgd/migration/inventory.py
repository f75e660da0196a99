"""What an engine holds: containers, images, networks and volumes, as its own documents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, number, table, tables, text, texts
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Images

__all__ = [
    "ACTIVE",
    "HOLD_LABEL",
    "KEPT",
    "Image",
    "Inventory",
    "container_name",
    "given_tags",
    "images_now",
    "inspected",
    "note",
    "take_inventory",
]

# Names that dockcfgd gives to what it makes for a while; neither is part of a host's inventory.
KEPT = "dockcfgd-kept/"
HOLD_LABEL = "org.dockcfgd.holds-volumes-of"

ACTIVE = frozenset({"running", "paused", "restarting"})

_NOT_FOUND = 404
_PREDEFINED_NETWORKS = frozenset({"bridge", "host", "none"})
_SWARM_TASK = "com.docker.swarm.task.id"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its ID, the names it has (none for an untagged one), its layers from the lowest.

    `config` is the ID that it has on a graph driver, where that is another: in containerd's image
    store an ID is that of a manifest. `kept` are names that dockcfgd gave it for a while, by which
    it is found to be removed.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    layers: tuple[str, ...] = ()
    config: str = ""
    kept: tuple[str, ...] = field(default=(), compare=False)

    @property
    def references(self) -> tuple[str, ...]:
        """What `docker save` is asked for so that all names come along."""
        return self.tags or self.kept or (self.id,)

    def to_json(self) -> Document:
        """Give the image as a JSON object."""
        return {
            "id": self.id,
            "tags": list(self.tags),
            "digests": list(self.digests),
            "size": self.size,
            "layers": list(self.layers),
            **({"config": self.config} if self.config else {}),
        }

    @classmethod
    def from_json(cls, document: Document) -> Image:
        """Give the image that `to_json` wrote."""
        return cls(
            id=text(document, "id"),
            tags=tuple(texts(document, "tags")),
            digests=tuple(texts(document, "digests")),
            size=number(document, "size"),
            layers=tuple(texts(document, "layers")),
            config=text(document, "config"),
        )


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an engine holds at one moment. `containers` are inspect documents, oldest first.

    Left out are the tasks of a swarm that the engine is in, containers that are being removed, what
    dockcfgd itself made for a while, and the networks that every engine has.
    """

    containers: tuple[Document, ...] = ()
    images: tuple[Image, ...] = ()
    networks: tuple[Document, ...] = ()
    volumes: tuple[Document, ...] = ()

    def to_json(self) -> Document:
        """Give the inventory as a JSON object. It holds what containers' environments hold."""
        return {
            "containers": list(self.containers),
            "images": [image.to_json() for image in self.images],
            "networks": list(self.networks),
            "volumes": list(self.volumes),
        }

    @classmethod
    def from_json(cls, document: Document) -> Inventory:
        """Give the inventory that `to_json` wrote."""
        return cls(
            containers=tuple(tables(document, "containers")),
            images=tuple(Image.from_json(image) for image in tables(document, "images")),
            networks=tuple(tables(document, "networks")),
            volumes=tuple(tables(document, "volumes")),
        )


def take_inventory(access: Access, *, gone: Iterable[Document] = ()) -> Inventory:
    """Look at everything the engine holds. An image that was removed by force is not in it.

    `gone` are containers that are no longer there, and whose images count all the same.
    """
    documents = inspected(access)
    used = {text(document, "Image") for document in (*documents, *gone)}
    return Inventory(
        containers=documents,
        images=_images(access.images, used=used),
        networks=tuple(network for network in access.networks.list() if _user_made(network)),
        volumes=tuple(access.networks.volumes()),
    )


def inspected(access: Access) -> tuple[Document, ...]:
    """Give the inspect documents of the containers that count, oldest first."""
    found = []
    for listed in access.containers.list():
        try:
            document = access.containers.inspect(text(listed, "Id"))
        except EngineFailure as error:
            # It ended between the two questions, as one with --rm may.
            if error.status != _NOT_FOUND:
                raise
        else:
            found.append(document)
    counting = [document for document in found if _counts(document)]
    if any(map(_as_of_a_task, counting)) and access.in_swarm():
        counting = [document for document in counting if not _as_of_a_task(document)]
    return tuple(sorted(counting, key=lambda document: text(document, "Created")))


def note(documents: Iterable[Document]) -> list[Json]:
    """Give the active ones among inspect documents.

    As {id, name, state, auto_remove, stop_timeout}; the last in seconds, -1 for any time, None
    where the engine's own rule holds.
    """
    return [
        {
            "id": text(document, "Id"),
            "name": container_name(document),
            "state": text(document, "State", "Status"),
            "auto_remove": table(document, "HostConfig").get("AutoRemove") is True,
            "stop_timeout": table(document, "Config").get("StopTimeout"),
        }
        for document in documents
        if text(document, "State", "Status") in ACTIVE
    ]


def container_name(document: Document) -> str:
    """Give the name of an inspect document's container, without the slash."""
    return text(document, "Name").removeprefix("/")


def _counts(document: Document) -> bool:
    if HOLD_LABEL in table(document, "Config", "Labels"):
        return False
    return text(document, "State", "Status") not in {"dead", "removing"}


def _as_of_a_task(document: Document) -> bool:
    """Whether it has a swarm task's label, as any of an image that a task was committed to has."""
    return _SWARM_TASK in table(document, "Config", "Labels")


def _user_made(network: Document) -> bool:
    return text(network, "Name") not in _PREDEFINED_NETWORKS and text(network, "Scope") != "swarm"


def _images(images: Images, *, used: set[str]) -> tuple[Image, ...]:
    listed = {text(image, "Id"): image for image in images.list()}
    configs = images.configs()
    found = []
    for identity in [*listed, *sorted(used - set(listed))]:
        names = texts(listed.get(identity, {}), "RepoTags")
        temporary = bool(names) and all(name.startswith(KEPT) for name in names)
        if not temporary or identity in used:
            found += _inspected_image(images, identity)
    return tuple(replace(image, config=configs.get(image.id, "")) for image in found)


def images_now(images: Images, known: Iterable[Image]) -> tuple[Image, ...]:
    """Give images with the names that they have now; those that are gone are left out."""
    return tuple(
        replace(one, config=image.config)
        for image in known
        for one in _inspected_image(images, image.id)
    )


def _inspected_image(images: Images, identity: str) -> list[Image]:
    try:
        return [_image(images.inspect(identity))]
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise
        return []


def _image(document: Document) -> Image:
    names = texts(document, "RepoTags")
    return Image(
        id=text(document, "Id"),
        tags=given_tags(names),
        digests=tuple(texts(document, "RepoDigests")),
        size=number(document, "Size"),
        layers=tuple(texts(document, "RootFS", "Layers")),
        kept=tuple(name for name in names if name.startswith(KEPT)),
    )


def given_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Give the tags that somebody gave an image, of the names in RepoTags.

    Containerd's image store has there what was pulled by digest, too (collectRepoTagsAndDigests,
    daemon/containerd/image_inspect.go), which no archive has as a name.
    """
    return tuple(
        name
        for name in names
        if name != "<none>:<none>" and "@" not in name and not name.startswith(KEPT)
    )
