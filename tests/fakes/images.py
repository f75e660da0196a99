"""Images of one storage driver: real layer archives, real IDs, real `docker save` archives."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure

__all__ = [
    "ContainerdStore",
    "Image",
    "ImageStore",
    "Layer",
    "Manifested",
    "layer_archive",
    "split_reference",
]

_WHITEOUT = ".wh."
_NOT_FOUND = 404
_CONFLICT = 409
_FAILED = 500
_HEX = 64

# What a container's writable layer holds: content by path, None for what it deleted.
Layer = dict[str, bytes | None]


@dataclass
class Image:
    """An image: its configuration as it lies on disk, and its names."""

    config: bytes
    tags: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.config)
        return document

    @property
    def layers(self) -> list[str]:
        return list(self.document["rootfs"].get("diff_ids") or ())


class Manifested(Image):
    """An image in containerd's store, where its ID is that of its manifest."""

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(b'manifest of ' + self.config).hexdigest()}"

    @property
    def config_id(self) -> str:
        return super().id


class ImageStore:
    """What lies below `<data-root>/image/<driver>` and `<data-root>/<driver>`.

    `registered` is told of each image.
    """

    kind: type[Image] = Image
    saves_layerless = False

    def __init__(self) -> None:
        self.registered: Callable[[Image], None] = lambda _: None
        self.images: dict[str, Image] = {}
        self.layers: dict[str, bytes] = {}

    def add(
        self, files: Mapping[str, bytes], *, tag: str = "", config: Mapping[str, Json] | None = None
    ) -> str:
        """Make an image of one layer, as `docker import` does; give its ID."""
        return self.build([dict(files)], tag=tag, config=config or {})

    def build(
        self,
        layers: Sequence[Layer],
        *,
        config: Mapping[str, Json],
        tag: str = "",
        base: str = "",
        created: str = "2026-01-01T00:00:00Z",
    ) -> str:
        """Make an image of layers upon those of `base`; give its ID."""
        below = self.images[base].layers if base else []
        archives = [layer_archive(layer) for layer in layers]
        diff_ids = [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives]
        self.layers.update(zip(diff_ids, archives, strict=True))
        every = [*below, *diff_ids]
        document = {
            "architecture": "amd64",
            "config": dict(config),
            "created": created,
            "os": "linux",
            "rootfs": {"type": "layers"} | ({"diff_ids": every} if every else {}),
        }
        return self._register(
            json.dumps(document, sort_keys=True).encode(), tags=[tag] if tag else []
        )

    def find(self, reference: str) -> Image:
        """Give the image of a name or an ID, also a shortened one; EngineFailure 404."""
        for image in self.images.values():
            if reference in {image.id, *image.digests} or with_tag(reference) in image.tags:
                return image
        digits = reference.removeprefix("sha256:")
        found = [
            image for key, image in self.images.items() if digits and key[7:].startswith(digits)
        ]
        if len(found) == 1:
            return found[0]
        raise EngineFailure(
            what=f"inspect image {reference}", status=_NOT_FOUND, why=f"No such image: {reference}"
        )

    def tag(self, image: Image, name: str) -> None:
        """Give a name, taking it from the image that had it."""
        for other in self.images.values():
            if name in other.tags:
                other.tags.remove(name)
        image.tags.append(name)

    def untag(self, reference: str, *, used: set[str]) -> None:
        """Remove a name, and the image with its last one; EngineFailure 409 where it is used."""
        image = self.find(reference)
        name = with_tag(reference)
        by_name = name in image.tags
        if image.id in used and (not by_name or len(image.tags) == 1):
            raise EngineFailure(
                what=f"remove the image name {reference}",
                status=_CONFLICT,
                why=f"conflict: unable to remove repository reference {reference!r} (must force) - "
                f"container is using its referenced image {image.id[7:19]}",
            )
        if by_name:
            image.tags.remove(name)
        if not image.tags or not by_name:
            del self.images[image.id]

    def size(self, image: Image) -> int:
        """Give the sum of the layers' bytes."""
        return sum(len(self.layers[layer]) for layer in image.layers)

    def content(self, image: Image) -> dict[str, bytes]:
        """Give the files that the layers make together."""
        files: dict[str, bytes] = {}
        for layer in image.layers:
            apply_layer(files, read_layer(self.layers[layer]))
        return files

    def save(self, references: Sequence[str], *, oci: bool) -> bytes:
        """Give the archive that `docker save` writes, in the layout from 25 on or the older one."""
        wanted: dict[str, list[str]] = {}
        for reference in references:
            image = self.find(reference)
            if not image.layers and not self.saves_layerless:
                why = "empty export - not implemented"
                raise EngineFailure(what="save images", status=_FAILED, why=why)
            names = wanted.setdefault(image.id, [])
            names += [tag for tag in image.tags if _asked(reference, tag) and tag not in names]
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            written: set[str] = set()
            manifest = []
            for identity, names in wanted.items():
                image = self.images[identity]
                config_path, layer_paths = _paths(image, oci=oci)
                contents = {config_path: image.config}
                contents |= dict(
                    zip(layer_paths, map(self.layers.__getitem__, image.layers), strict=True)
                )
                for path, content in contents.items():
                    if path not in written:
                        _add(archive, path, content)
                        written.add(path)
                manifest.append(
                    {"Config": config_path, "RepoTags": names or None, "Layers": layer_paths}
                )
            _add(archive, "manifest.json", json.dumps(manifest).encode())
            if oci:
                _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        return output.getvalue()

    def load(self, archive: bytes) -> None:
        """Take the images of an archive in, its lower layers from what is here if it lacks them."""
        try:
            members = _members(archive)
            manifest = json.loads(members["manifest.json"])
        except (tarfile.TarError, KeyError, ValueError) as error:
            why = f"archive/tar: invalid tar header ({error})"
            raise EngineFailure(what="load images", status=0, why=why) from error
        for entry in manifest:
            self._load_one(entry, members)

    def _load_one(self, entry: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
        config = members[entry["Config"]]
        diff_ids = json.loads(config)["rootfs"].get("diff_ids") or []
        for path, diff_id in zip(entry["Layers"] or [], diff_ids, strict=True):
            if diff_id in self.layers:
                continue
            content = members.get(path)
            if content is None:
                why = f"open {path}: no such file or directory"
                raise EngineFailure(what="load images", status=0, why=why)
            found = f"sha256:{hashlib.sha256(content).hexdigest()}"
            if found != diff_id:
                why = f'invalid diffID for layer: expected "{diff_id}", got "{found}"'
                raise EngineFailure(what="load images", status=0, why=why)
            self.layers[diff_id] = content
        self._register(config, tags=entry.get("RepoTags") or [])

    def _register(self, config: bytes, *, tags: Sequence[str]) -> str:
        image = self.kind(config)
        image = self.images.setdefault(image.id, image)
        for tag in tags:
            self.tag(image, tag)
        self.registered(image)
        return image.id


class ContainerdStore(ImageStore):
    """What containerd has of the engine, wherever data-root is. `marks` say who filled it."""

    kind = Manifested
    saves_layerless = True

    def __init__(self) -> None:
        super().__init__()
        self.marks: set[str] = set()

    def configs(self) -> dict[str, str]:
        """Give the IDs that images have on a graph driver by those that they have here."""
        every = [one for one in self.images.values() if isinstance(one, Manifested)]
        return {one.id: one.config_id for one in every}

    def clear(self) -> None:
        """Remove all of it."""
        self.images.clear()
        self.layers.clear()
        self.marks.clear()


def layer_archive(layer: Layer) -> bytes:
    """Give a layer as the tar archive whose digest is its DiffID."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(layer.items()):
            folder, name = posixpath.split(path.lstrip("/"))
            if content is None:
                _add(archive, posixpath.join(folder, _WHITEOUT + name), b"")
            else:
                _add(archive, posixpath.join(folder, name), content)
    return output.getvalue()


def read_layer(archive: bytes) -> Layer:
    """Give what a layer's archive adds and deletes."""
    layer: Layer = {}
    for path, content in _members(archive).items():
        folder, name = posixpath.split(path)
        if name.startswith(_WHITEOUT):
            layer["/" + posixpath.join(folder, name.removeprefix(_WHITEOUT))] = None
        else:
            layer["/" + path] = content
    return layer


def apply_layer(files: dict[str, bytes], layer: Layer) -> None:
    """Change files as a layer does."""
    for path, content in layer.items():
        if content is None:
            files.pop(path, None)
        else:
            files[path] = content


def split_reference(reference: str) -> tuple[str, str]:
    """Give repository and tag of a name, the tag empty where it has none."""
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, ""
    return repository, tag


def with_tag(reference: str) -> str:
    """Give a name with its tag, `latest` where it says none."""
    repository, tag = split_reference(reference)
    return f"{repository}:{tag or 'latest'}"


def _asked(reference: str, tag: str) -> bool:
    repository, wanted = split_reference(reference)
    return tag == reference if wanted else split_reference(tag)[0] == repository


def _paths(image: Image, *, oci: bool) -> tuple[str, list[str]]:
    digests = [layer.removeprefix("sha256:") for layer in image.layers]
    name = hashlib.sha256(image.config).hexdigest()
    if oci:
        return f"blobs/sha256/{name}", [f"blobs/sha256/{digest}" for digest in digests]
    # Before 25 a layer's folder is named by a chain of digests that says nothing of its content.
    chains = [
        hashlib.sha256("".join(digests[: number + 1]).encode()).hexdigest()
        for number in range(len(digests))
    ]
    return f"{name}.json", [f"{chain}/layer.tar" for chain in chains]


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _members(archive: bytes) -> dict[str, bytes]:
    return dict(_each_member(archive))


def _each_member(archive: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        for member in opened:
            file = opened.extractfile(member)
            yield member.name, b"" if file is None else file.read()
