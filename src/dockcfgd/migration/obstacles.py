"""What keeps containers from coming to another driver, told before anything is touched. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, flag, table, text
from dockcfgd.migration.inventory import ACTIVE, container_name
from dockcfgd.migration.others import Others
from dockcfgd.migration.space import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.migration.inventory import Inventory

__all__ = ["obstacles"]

# They keep no size limit for a writable layer, and refuse a container that has one.
_WITHOUT_SIZE_LIMITS = frozenset({"fuse-overlayfs", "overlay"})
_SHARED = "container:"


def obstacles(inventory: Inventory, *, target_driver: str, way: Way) -> tuple[str, ...]:
    """Give one sentence for each thing that cannot be brought over, with the way out."""
    images = {image.id for image in inventory.images}
    others = Others(inventory.containers, {})
    found: list[str] = []
    for document in inventory.containers:
        name = container_name(document)
        if text(document, "Image") not in images:
            found.append(
                f"container {name}: its image was removed by force, so that it can be neither "
                "committed nor saved; export its files and remove it"
            )
        if way is Way.ANEW or _begins_again(document):
            found += [
                f"container {name}: the container whose {kind} namespace it shares is gone; "
                "remove it"
                for kind in _lost_namespaces(document, others)
            ]
        limit = table(document, "HostConfig", "StorageOpt").get("size")
        if limit and target_driver in _WITHOUT_SIZE_LIMITS:
            found.append(
                f"container {name}: {target_driver} has no size limit for a writable layer, "
                f"and it was created with one ({limit}); make it anew without --storage-opt size"
            )
    return tuple(found)


def _begins_again(document: Document) -> bool:
    """Whether one that is moved in place is started, or with --rm even made anew, afterwards."""
    disposable = flag(document, "HostConfig", "AutoRemove")
    return disposable or text(document, "State", "Status") in ACTIVE


def _lost_namespaces(document: Document, others: Others) -> Iterator[str]:
    # A network namespace is looked for when the container starts, the others when it is created.
    for key, kind in (("IpcMode", "IPC"), ("PidMode", "PID")):
        mode = text(document, "HostConfig", key)
        if mode.startswith(_SHARED) and others.before(mode.removeprefix(_SHARED)) is None:
            yield kind
