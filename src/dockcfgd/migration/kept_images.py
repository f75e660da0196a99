"""Images that hold a container's writable layer for a while, and their names.

They are named `dockcfgd-kept/ID12:PURPOSE`, ID12 being the container's short ID. A name is removed
when the container was brought back; the engine keeps the image of one that uses it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.inventory import KEPT
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.ports import Containers, Images

__all__ = ["commit_changes", "drop_kept_names", "short"]

_CONFLICT = 409
_SHORT = 12


def short(document: Document) -> str:
    """Give the short ID of an inspect document's container."""
    return text(document, "Id")[:_SHORT]


def commit_changes(containers: Containers, document: Document, *, purpose: str) -> str:
    """Commit a container whose writable layer differs from its image; give the ID of what has it.

    One that runs is frozen meanwhile: the engine cannot store a file that grows while it is read.
    """
    identity = text(document, "Id")
    if not containers.changed(identity):
        return text(document, "Image")
    with _frozen(containers, document):
        return containers.commit(identity, repository=f"{KEPT}{short(document)}", tag=purpose)


def drop_kept_names(images: Images) -> None:
    """Remove these names. One that is the last of an image in use stays until the next time."""
    for image in images.list():
        for tag in texts(image, "RepoTags"):
            if tag.startswith(KEPT):
                try:
                    images.untag(tag)
                except EngineFailure as error:
                    if error.status != _CONFLICT:
                        raise


@contextlib.contextmanager
def _frozen(containers: Containers, document: Document) -> Iterator[None]:
    if text(document, "State", "Status") != "running":
        yield
        return
    identity = text(document, "Id")
    containers.pause(identity)
    try:
        yield
    finally:
        containers.unpause(identity)
