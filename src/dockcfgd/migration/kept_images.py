"""Images that hold a container's writable layer for a while, and their names.

They are named `dockcfgd-kept/ID12:PURPOSE`, ID12 being the container's short ID. A name is removed
when the container was brought back; the engine keeps the image of one that uses it.
"""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.inventory import ACTIVE, KEPT
from dockcfgd.migration.presence import froze
from dockcfgd.model.errors import EngineFailure, FileFailure, SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.migration.access import Access
    from dockcfgd.ports import Containers, Images

__all__ = ["drop_kept_names", "has_files_of_the_host", "keep_changes", "short"]

_CONFLICT = 409
_SHORT = 12
# The kernel may not have given its server what was written last.
_KEEPS_BACK = "fuse-overlayfs"


def short(document: Document) -> str:
    """Give the short ID of an inspect document's container."""
    return text(document, "Id")[:_SHORT]


def has_files_of_the_host(access: Access, document: Document) -> bool:
    """Tell whether what a container has written may be of users that no image made here can have.

    An engine that remaps users has no number for the host's own, and its commit leaves their files
    out and says so in its log alone (moby, pkg/archive).
    """
    theirs = text(document, "HostConfig", "UsernsMode") == "host"
    return theirs and access.remaps_users() and access.containers.changed(text(document, "Id"))


def keep_changes(access: Access, document: Document, *, purpose: str) -> str:
    """Put what a container has written into an image; give the ID of what has it.

    That is its own one where it has written nothing. What its storage driver has is read where that
    can be done, as the engine's commit drops every attribute but security.capability and rounds
    times to seconds (moby, pkg/archive). One that runs is frozen meanwhile: the engine cannot
    store a file that grows while it is read.
    """
    identity = text(document, "Id")
    if not access.containers.changed(identity):
        return text(document, "Image")
    repository = f"{KEPT}{short(document)}"
    with _frozen(access.containers, document):
        image = _packed(access, document, f"{repository}:{purpose}")
        return image or access.containers.commit(identity, repository=repository, tag=purpose)


def _packed(access: Access, document: Document, name: str) -> str:
    """Load an archive of the writable layer; empty where it cannot be read, whole, or be loaded."""
    facts, running = access.facts(), text(document, "State", "Status") in ACTIVE
    if access.folders is None or (running and facts.driver == _KEEPS_BACK):
        return ""
    image = text(document, "Image")
    try:
        with access.folders.pack_layer(
            facts.root, driver=facts.driver, container=text(document, "Id"), image=image, name=name
        ) as packed:
            chunks = packed.chunks()
            first = next(chunks, b"")
            if not first or packed.left_out():
                return ""
            access.images.load(chain([first], chunks))
            made = packed.image()
            return made.manifest if facts.driver in SNAPSHOTTERS else made.image
    except (FileFailure, SystemdFailure, EngineFailure):
        return ""


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
    frozen = froze(containers, identity)
    try:
        yield
    finally:
        if frozen:
            containers.unpause(identity)
