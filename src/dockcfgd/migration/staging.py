"""Filling a staging engine: every image, and a stand-in for every container.

A stand-in is a container that is never started. The engine gives it a writable layer on the same
image as the container's, in which what the container has written is put later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration import disposable
from dockcfgd.migration.archive import read_archive, read_document, write_document
from dockcfgd.migration.documents import Document, flag, number, table, tables, text, texts
from dockcfgd.migration.hand_over import handed_over
from dockcfgd.migration.inventory import KEPT, Image, container_name
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.reporting import reported
from dockcfgd.migration.saved_images import PresentImages, present_ids, read_images
from dockcfgd.model.cargo import Cargo, StandIn
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from dockcfgd.migration.access import Access
    from dockcfgd.ports import Images, Progressing

__all__ = ["also_to", "cargo_of", "stage_images", "stage_kept", "stand_ins", "stand_ins_of"]

_RECORD = "staged.json"
_IMAGES = "images.json"
_NAMED = "stand-in-"


def also_to(images: Images) -> Callable[[Iterable[bytes]], Generator[bytes]]:
    """Give what hands the chunks of an archive on, and loads them into `images` on the way.

    The last chunk's successor comes when they are loaded: EngineFailure where they cannot be.
    """

    def through(chunks: Iterable[bytes]) -> Generator[bytes]:
        with handed_over(images.load) as give:
            for chunk in chunks:
                give(chunk)
                yield chunk

    return through


def stage_images(staging: Access, *, folder: str, progress: Progressing) -> None:
    """Load those of the backup's images that are not in the staging engine yet."""
    wanted, archives = read_images(folder)
    for entry in archives:
        if not _lacking(staging.images, wanted):
            return
        total = number(read_document(folder, _IMAGES), "content")
        chunks = read_archive(folder, entry)
        staging.images.load(reported(chunks, item=entry.path, total=total, progress=progress))
    lacking = _lacking(staging.images, wanted)
    if lacking:
        names = ", ".join(image.tags[0] if image.tags else image.id for image in lacking)
        why = "the staging engine does not have them afterwards"
        raise EngineFailure(what=f"load {names}", status=0, why=why)


def _lacking(images: Images, wanted: Sequence[Image]) -> list[Image]:
    present = PresentImages(images)
    return [image for image in wanted if not present.is_complete(image)]


def stage_kept(access: Access, staging: Access, *, kept: str) -> None:
    """Bring the images of `--rm` containers that `disposable.keep` made; `kept` is its folder.

    What IDs they have there is noted where these are others.
    """
    configs = access.images.configs()
    images = {image for _, image in disposable.kept(kept)}
    wanted = [Image(id=identity, config=configs.get(identity, "")) for identity in sorted(images)]
    present = PresentImages(staging.images)
    for image in wanted:
        if present.id(image) is None:
            with access.images.save([_kept_name(access.images, image.id)]) as stream:
                staging.images.load(stream)
    there = present_ids(staging.images, wanted)
    disposable.rename(kept, {old: new for old, new in there.items() if old != new})


def _kept_name(images: Images, identity: str) -> str:
    """Give the name that keeping has given to an image, so that it can be found to be removed."""
    names = texts(images.inspect(identity), "RepoTags")
    return next((name for name in names if name.startswith(KEPT)), identity)


def stand_ins(
    staging: Access, containers: Sequence[Document], *, folder: str, progress: Progressing
) -> None:
    """Create a stand-in for each container that stays when the engine stops.

    Those of other containers, which were removed meanwhile, go.
    """
    staying = [one for one in containers if not flag(one, "HostConfig", "AutoRemove")]
    images = present_ids(staging.images, read_images(folder)[0])
    made = []
    for count, document in enumerate(staying):
        own, label = text(document, "Id"), container_name(document)
        progress(item=label, done=count, total=len(staying), unit="containers")
        name = f"{_NAMED}{own}"
        found = find_container(staging.containers, name)
        body = _body(document, images)
        identity = text(found, "Id") if found else staging.containers.create(name, body)
        made.append({"container": own, "name": label, "stand_in": identity})
    write_document(folder, _RECORD, {"containers": [dict(one) for one in made]})
    _remove_others(staging, {one["stand_in"] for one in made})


def _remove_others(staging: Access, wanted: set[str]) -> None:
    """Remove the stand-ins that are not wanted: their layers would be moved along, for nobody."""
    for one in staging.containers.list():
        identity = text(one, "Id")
        named = any(name.startswith(f"/{_NAMED}") for name in texts(one, "Names"))
        if named and identity not in wanted:
            staging.containers.remove(identity)


def stand_ins_of(folder: str) -> dict[str, str]:
    """Give the stand-in of each container, once `stand_ins` ended."""
    found = tables(read_document(folder, _RECORD), "containers")
    return {text(one, "container"): text(one, "stand_in") for one in found}


def cargo_of(folder: str, *, root: str, driver: str, staging: str, target: str) -> Cargo:
    """Give what there is to carry, once `stand_ins` ended."""
    found = tables(read_document(folder, _RECORD), "containers")
    return Cargo(
        root=root,
        driver=driver,
        staging=staging,
        target=target,
        containers=tuple(
            StandIn(text(one, "container"), text(one, "name"), text(one, "stand_in"))
            for one in found
        ),
        images=tuple(_identities(read_images(folder)[0])),
    )


def _identities(images: Sequence[Image]) -> Iterator[str]:
    return (image.id for image in images)


def _body(document: Document, images: Mapping[str, str]) -> Document:
    # In memory, or the engine would make a volume for each that the image asks for, and fill it.
    in_memory: Document = dict.fromkeys(table(document, "Config", "Volumes"), "")
    host: Document = {"NetworkMode": "none", "Tmpfs": in_memory}
    limits = table(document, "HostConfig", "StorageOpt")
    if limits:
        host["StorageOpt"] = limits
    image = images.get(text(document, "Image"), text(document, "Image"))
    # The engine makes the working directory when it creates a container; the root is there.
    return {"Image": image, "Cmd": ["/bin/true"], "WorkingDir": "/", "HostConfig": host}
