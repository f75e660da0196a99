"""All that an engine shows, written down, and whether it shows the same from another data-root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.archive import make_folder, read_document, write_document
from dockcfgd.migration.compare import differences
from dockcfgd.migration.documents import Document, flag, tables, text
from dockcfgd.migration.inventory import Inventory, container_name, take_inventory
from dockcfgd.migration.presence import find_container

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockcfgd.migration.access import Access
    from dockcfgd.migration.inventory import Image
    from dockcfgd.model.desired import Json

__all__ = ["FILE", "take", "what_differs"]

FILE = "stock"
_IPAM, _NETWORK = "IPAM", ("Name", "Id", "Driver", "Internal", "EnableIPv6", "Options", "Labels")


def take(access: Access, *, folder: str) -> None:
    """Write down what the engine has. EngineFailure, FileFailure."""
    make_folder(folder)
    inventory = take_inventory(access)
    write_document(folder, FILE, inventory.to_json())


def what_differs(access: Access, *, folder: str, source: str, target: str) -> list[str]:
    """Give a line for all that is missing or different, the data-root's path left aside.

    What came since counts as nothing, and what was removed since as well: its folder is gone from
    both places.
    """
    before = Inventory.from_json(read_document(folder, FILE))
    after = take_inventory(access)
    gone = _Moved(source, target)
    return [
        *_containers(access, before, gone),
        *_images(before, {image.id: image for image in after.images}),
        *_volumes(before, after, gone),
        *_networks(before, after),
    ]


class _Moved:
    """Paths in a data-root, as they are once it lies elsewhere."""

    def __init__(self, source: str, target: str) -> None:
        self._source, self._target = source, target

    def told(self, value: Json) -> Json:
        """Give a document with the sources of its mounts where they are now."""
        if isinstance(value, list):
            return [self.told(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {key: self._entry(key, one) for key, one in value.items()}

    def _entry(self, key: str, value: Json) -> Json:
        if key == "Source" and isinstance(value, str):
            return self._path(value)
        if key == "Binds" and isinstance(value, list):
            return [self._bind(one) if isinstance(one, str) else one for one in value]
        return self.told(value)

    def _bind(self, bind: str) -> str:
        source, colon, rest = bind.partition(":")
        return f"{self._path(source)}{colon}{rest}"

    def _path(self, path: str) -> str:
        inside = f"{path}/".startswith(f"{self._source}/")
        if self._target.startswith(f"{self._source}/"):
            inside = inside and not f"{path}/".startswith(f"{self._target}/")
        return self._target + path[len(self._source) :] if inside else path

    def removed(self, kind: str, name: str) -> bool:
        """Whether somebody removed it before the engine stopped."""
        places = [Path(self._source), Path(self._target)]
        if not any(one in other.parents for one in places for other in places):
            # The folder of remapped users comes along with the data-root that it lies in.
            places += [inner for one in places for inner in one.glob("[0-9]*.[0-9]*")]
        return not any(os.path.lexists(one / kind / name) for one in places)


def _containers(access: Access, before: Inventory, moved: _Moved) -> Iterator[str]:
    found = {}
    for document in before.containers:
        disposable = flag(document, "HostConfig", "AutoRemove")
        known = container_name(document) if disposable else text(document, "Id")
        found[text(document, "Id")] = find_container(access.containers, known)
    now = {key: text(one, "Id") for key, one in found.items() if one is not None}
    for document in before.containers:
        name, present = container_name(document), found[text(document, "Id")]
        if present is not None:
            yield from _differing(name, _table(moved.told(document)), present, now)
        elif not flag(document, "HostConfig", "AutoRemove") and not moved.removed(
            "containers", text(document, "Id")
        ):
            yield f"container {name}: it is not there"


def _differing(
    name: str, before: Document, after: Document, now: Mapping[str, str]
) -> Iterator[str]:
    for line in differences(before, after, now=now):
        # What it does now is proven otherwise; it may have ended by itself.
        if not line.startswith("State"):
            yield f"container {name}: {line}"


def _images(before: Inventory, after: Mapping[str, Image]) -> Iterator[str]:
    passing, staying = set[str](), set[str]()
    for document in before.containers:
        disposable = flag(document, "HostConfig", "AutoRemove")
        (passing if disposable else staying).add(text(document, "Image"))
    for image in before.images:
        if not image.tags and image.id in passing - staying:
            # What a --rm container had written when it was made anew; it has another one now.
            continue
        there = after.get(image.id)
        called = image.tags[0] if image.tags else image.id
        if there is None:
            yield f"image {called}: it is not there"
        elif missing := {*image.tags, *image.digests} - {*there.tags, *there.digests}:
            yield f"image {called}: it is not called {', '.join(sorted(missing))}"


def _volumes(before: Inventory, after: Inventory, moved: _Moved) -> Iterator[str]:
    there = {text(volume, "Name"): volume for volume in after.volumes}
    for volume in before.volumes:
        name = text(volume, "Name")
        if name not in there:
            if not moved.removed("volumes", name):
                yield f"volume {name}: it is not there"
            continue
        for key in ("Driver", "Labels", "Options"):
            if (volume.get(key) or None) != (there[name].get(key) or None):
                yield f"volume {name}: {key}: {volume.get(key)!r} -> {there[name].get(key)!r}"


def _networks(before: Inventory, after: Inventory) -> Iterator[str]:
    there = {text(network, "Id"): network for network in after.networks}
    for network in before.networks:
        name, found = text(network, "Name"), there.get(text(network, "Id"))
        if found is None:
            yield f"network {name}: it is not there"
            continue
        for key in _NETWORK:
            if network.get(key) != found.get(key):
                yield f"network {name}: {key}: {network.get(key)!r} -> {found.get(key)!r}"
        if _addresses(network, found) != _addresses(found, network):
            yield f"network {name}: it has other addresses"


def _addresses(network: Document, other: Document) -> list[tuple[str, ...]]:
    """Give its ranges; a gateway that only one of two documents has is the engine's own choice."""
    found = []
    others = {text(one, "Subnet"): one for one in tables(other, _IPAM, "Config")}
    for one in tables(network, _IPAM, "Config"):
        subnet = text(one, "Subnet")
        asked = text(others.get(subnet, {}), "Gateway")
        found.append((subnet, text(one, "IPRange"), text(one, "Gateway") if asked else ""))
    return sorted(found)


def _table(value: Json) -> Document:
    return value if isinstance(value, dict) else {}
