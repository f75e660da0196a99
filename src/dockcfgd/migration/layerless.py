"""Images without layers: those made `FROM scratch` of settings alone, as for data volumes.

An engine on a graph driver loads them from an archive and cannot save them: for the sake of one it
refuses the whole request (moby, image/tarexport/save.go: "empty export - not implemented"). All
that they are is their configuration, which it keeps in a file whose digest is the image's ID.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from dockcfgd.migration.image_filter import packed
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.migration.documents import Document
    from dockcfgd.migration.inventory import Image
    from dockcfgd.ports import Files

__all__ = ["archive_of"]

_END = bytes(1024)


def archive_of(files: Files, images: Sequence[Image], *, root: str, driver: str) -> Iterator[bytes]:
    """Give the archive for `docker load` of images without layers, with their names.

    The engine has them on the graph driver `driver` in the data-root `root`. FileFailure, before
    anything is given, where its file of one is not there or not what it was.
    """
    contents = {
        image.id: _configuration(files, image, f"{root}/image/{driver}") for image in images
    }
    entries: list[Document] = [
        {"Config": _member(image), "RepoTags": list(image.tags), "Layers": []} for image in images
    ]
    for image in images:
        yield packed(_member(image), contents[image.id])
    yield packed("manifest.json", json.dumps(entries).encode())
    yield _END


def _configuration(files: Files, image: Image, folder: str) -> bytes:
    digest = image.id.removeprefix("sha256:")
    where = f"{folder}/imagedb/content/sha256/{digest}"
    content = files.read(where).content or b""
    if hashlib.sha256(content).hexdigest() != digest:
        name = image.tags[0] if image.tags else image.id
        why = (
            f"it is not what the engine says of the image {name}, which has no layers and cannot "
            f"be saved otherwise; get the image anew, or remove it: docker rmi {name}"
        )
        raise FileFailure(what="use", path=where, errno=0, why=why)
    return content


def _member(image: Image) -> str:
    return f"{image.id.removeprefix('sha256:')}.json"
