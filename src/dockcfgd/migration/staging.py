"""Filling a staging engine: every image, and a stand-in for every container.

A stand-in is a container that is never started. The engine gives it a writable layer on the same
image as the container's, in which what the container has written is put later.
"""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockcfgd.migration import disposable
from dockcfgd.migration.archive import read_archive, read_document, write_document
from dockcfgd.migration.documents import Document, flag, number, table, tables, text
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.reporting import reported
from dockcfgd.migration.saved_images import is_complete, read_images
from dockcfgd.model.cargo import Cargo, StandIn
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from dockcfgd.migration.access import Access
    from dockcfgd.migration.inventory import Image
    from dockcfgd.ports import Images, Progressing

__all__ = ["also_to", "cargo_of", "stage_images", "stage_kept", "stand_ins"]

_RECORD = "staged.json"
_IMAGES = "images.json"
# Chunks of 1 MiB that wait for the engine that loads them.
_AHEAD = 4
_LOOK_SECONDS = 0.2


@contextmanager
def also_to(images: Images) -> Iterator[Callable[[Iterable[bytes]], Iterator[bytes]]]:
    """Give what hands the chunks of an archive on, and loads them into `images` on the way.

    The context ends when they are loaded. EngineFailure where they cannot be.
    """
    with ThreadPoolExecutor(1) as pool:
        loads: list[Future[None]] = []

        def through(chunks: Iterable[bytes]) -> Iterator[bytes]:
            ahead: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
            load = pool.submit(images.load, _taken(ahead))
            loads.append(load)
            try:
                for chunk in chunks:
                    _put(ahead, chunk, load)
                    yield chunk
            finally:
                _put(ahead, None, load)

        yield through
        for load in loads:
            load.result()


def _taken(ahead: queue.Queue[bytes | None]) -> Iterator[bytes]:
    while (chunk := ahead.get()) is not None:
        yield chunk


def _put(ahead: queue.Queue[bytes | None], chunk: bytes | None, load: Future[None]) -> None:
    """Put a chunk where the loader takes it, unless that has ended, which is told later."""
    while not load.done():
        try:
            ahead.put(chunk, timeout=_LOOK_SECONDS)
        except queue.Full:
            continue
        return


def stage_images(staging: Access, *, folder: str, progress: Progressing) -> None:
    """Load those of the backup's images that are not in the staging engine yet."""
    wanted, archives = read_images(folder)
    for entry in archives:
        if all(is_complete(staging.images, image) for image in wanted):
            return
        total = number(read_document(folder, _IMAGES), "content")
        chunks = read_archive(folder, entry)
        staging.images.load(reported(chunks, item=entry.path, total=total, progress=progress))
    lacking = [image for image in wanted if not is_complete(staging.images, image)]
    if lacking:
        names = ", ".join(image.tags[0] if image.tags else image.id for image in lacking)
        why = "the staging engine does not have them afterwards"
        raise EngineFailure(what=f"load {names}", status=0, why=why)


def stage_kept(access: Access, staging: Access, *, kept: str) -> None:
    """Bring the images of `--rm` containers that `disposable.keep` made; `kept` is its folder."""
    images = {image for _, image in disposable.kept(kept)}
    for image in sorted(images):
        if not _has(staging.images, image):
            with access.images.save([image]) as stream:
                staging.images.load(stream)


def stand_ins(
    staging: Access, containers: Sequence[Document], *, folder: str, progress: Progressing
) -> None:
    """Create a stand-in for each container that stays when the engine stops."""
    staying = [one for one in containers if not flag(one, "HostConfig", "AutoRemove")]
    made = []
    for count, document in enumerate(staying):
        own, label = text(document, "Id"), container_name(document)
        progress(item=label, done=count, total=len(staying), unit="containers")
        name = f"stand-in-{own}"
        found = find_container(staging.containers, name)
        identity = text(found, "Id") if found else staging.containers.create(name, _body(document))
        made.append({"container": own, "name": label, "stand_in": identity})
    write_document(folder, _RECORD, {"containers": [dict(one) for one in made]})


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


def _has(images: Images, identity: str) -> bool:
    try:
        images.inspect(identity)
    except EngineFailure as error:
        if error.status == 0:
            raise
        return False
    return True


def _body(document: Document) -> Document:
    # In memory, or the engine would make a volume for each that the image asks for, and fill it.
    in_memory: Document = dict.fromkeys(table(document, "Config", "Volumes"), "")
    host: Document = {"NetworkMode": "none", "Tmpfs": in_memory}
    limits = table(document, "HostConfig", "StorageOpt")
    if limits:
        host["StorageOpt"] = limits
    return {"Image": text(document, "Image"), "Cmd": ["/bin/true"], "HostConfig": host}
