"""A writable layer as an archive: the layer's tar, and an image for `docker load` around it.

For backups from a driver's data that lies on disk while no engine uses it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dockcfgd.layers.copying import changes_of
from dockcfgd.layers.entries import Changes, Deletion, Entry, Operation
from dockcfgd.layers.errors import LayerRefused
from dockcfgd.layers.overlay_reader import OVERLAY, WHITEOUT
from dockcfgd.layers.place import Place
from dockcfgd.layers.tar_heads import END, head, padding
from dockcfgd.model.images import MadeImage

__all__ = ["Sink", "image_archive", "left_out", "write_archive"]

_OPAQUE = b".wh..wh..opq"
_CHUNK = 1 << 20
_TOLD = 20
# PATH_MAX, less what is before it where an engine unpacks.
_LONGEST = 4096 - 256
_DOCKER = "vnd.docker."
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_NAME, _TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_MEMBER = "layer/layer.tar"
# Linux, capability.h: struct vfs_ns_cap_data, and vfs_cap_data, which has no user.
_CAPABILITY = "security.capability"
_OF_A_ROOT, _PLAIN_CAPABILITY = struct.Struct("<6I"), struct.Struct("<5I")
_VERSION, _VERSION_2, _VERSION_3 = 0xFF000000, 0x02000000, 0x03000000
_INDEX = "application/vnd.oci.image.index.v1+json"
# A moment in 1970 and root as owner, for members that are no files of the container.
_PLAIN = os.stat_result(
    (stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    {"st_atime_ns": 0, "st_mtime_ns": 0, "st_rdev": 0},
)


class Sink(Protocol):
    """Where an archive goes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


def write_archive(source: Place, sink: Sink, *, root: tuple[int, int] = (0, 0)) -> int:
    """Write the layer's changes as an OCI layer in one pass and return how many members it has.

    `root` is the host's user and group that the container's root is, of an engine with
    userns-remap; the archive has owners, and capabilities, as the container sees them.

    Sockets are left out, as every engine does, and so are attributes of symlinks and overlay's own,
    and what `left_out` gives; holes are zeros. Raises LayerRefused where an owner is none of the
    container's, and OSError where the layer cannot be read or `sink` cannot be written.
    """
    return _write(changes_of(source), sink, root)


def left_out(source: Place) -> tuple[str, ...]:
    """Give what an archive of the layer cannot have, as no engine would take it for what it is.

    A line each, with path and reason; of many there are the first ones, and how many more. A folder
    stands for all that is in it. Raises as `write_archive` does.
    """
    sayable = _Sayable(changes_of(source))
    for _ in sayable.operations():
        pass
    lines = [f"{_shown(path)}: {why}" for path, why in sayable.left_out.items()]
    more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
    return (*lines[:_TOLD], *more)


def _write(changes: Changes, sink: Sink, root: tuple[int, int]) -> int:
    count = 0
    for operation in _Sayable(changes).operations():
        for piece, content in _members(operation, root):
            sink.write(piece)
            count += 1
            if content is not None:
                _send(content, sink)
    sink.write(END)
    return count


def image_archive(
    source: Place,
    sink: Sink,
    *,
    config: Mapping[str, Any],
    manifest: Mapping[str, Any] | None = None,
    name: str = "",
    root: tuple[int, int] = (0, 0),
) -> MadeImage:
    """Write an archive for `docker load`: the image with this configuration and the layer on top.

    `config` is the configuration of the image that the container was made from, as the engine
    keeps it; that image must be there when the archive is loaded, as only the top layer's content
    is in it. With `manifest`, that image's in containerd's store, the archive is an OCI layout too,
    which a store takes; the names in it do not matter there (containerd, archive/importer.go).
    `name` is the image's, as REPOSITORY:TAG, `root` as of `write_archive`. The layer is gone
    through twice, its content read once.
    """
    changes = changes_of(source)
    size = _size_of(changes, root)
    digest = _Digest(sink)
    sink.write(head(os.fsencode(_MEMBER), _PLAIN, size=size))
    _write(changes, digest, root)
    if digest.size != size:
        raise LayerRefused(what="archive", path=source.tree, why="it changes meanwhile")
    sink.write(padding(size))
    text = json.dumps(_with_layer(config, digest.name)).encode()
    own = hashlib.sha256(text).hexdigest()
    lower = [layer.removeprefix("sha256:") for layer in _layers(config)]
    listed = {
        "Config": f"{own}.json",
        "RepoTags": [name] if name else None,
        "Layers": [*(f"{layer}/layer.tar" for layer in lower), _MEMBER],
    }
    members = {f"{own}.json": text, "manifest.json": json.dumps([listed]).encode()}
    above = b"" if manifest is None else _manifest(manifest, text, digest)
    if above:
        members |= _layout(above, name)
    for path, data in members.items():
        sink.write(head(path.encode(), _PLAIN, size=len(data)) + data + padding(len(data)))
    sink.write(END)
    return MadeImage(f"sha256:{own}", _named(above) if above else "")


def _manifest(below: Mapping[str, Any], config: bytes, layer: _Digest) -> bytes:
    """Give the manifest of the image with the layer on top of another's."""
    kind = below.get("mediaType", _MANIFEST)
    known = {"size": len(config), "digest": _named(config)}
    top = {
        "mediaType": _DOCKER_LAYER if _DOCKER in kind else _LAYER,
        "digest": layer.name,
        "size": layer.size,
    }
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": below["config"]["mediaType"], **known},
        "layers": [*(below.get("layers") or ()), top],
    }
    return json.dumps(document).encode()


def _layout(manifest: bytes, name: str) -> dict[str, bytes]:
    """Give what makes an archive an OCI layout of one image."""
    named = {_NAME: f"docker.io/{name}", _TAG: name.rpartition(":")[2]} if name else {}
    kind, size = json.loads(manifest)["mediaType"], len(manifest)
    one = {"mediaType": kind, "digest": _named(manifest), "size": size, "annotations": named}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [one]}
    return {
        "oci-manifest.json": manifest,
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
    }


def _named(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Digest:
    """Passes bytes on, counted and digested."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def name(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"

    def write(self, data: bytes, /) -> None:
        self._digest.update(data)
        self.size += len(data)
        self._sink.write(data)


class _Sayable:
    """The operations of a layer that an archive has a way to say.

    `left_out` has the paths of the others, and why, once all were asked for. Where the first name
    of a file is left out, the next one brings its content.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.left_out: dict[bytes, str] = {}

    def operations(self) -> Iterator[Operation]:
        heirs: dict[bytes, bytes | None] = {}
        folder: bytes | None = None
        for operation in self._changes.operations():
            path = operation.path
            inside = folder is not None and path.startswith(folder)
            why = "" if inside else _unsayable(operation)
            if why:
                self.left_out[path] = why
                folder = path + b"/"
            if inside or why:
                heirs[path] = None
            elif isinstance(operation, Entry) and operation.same_as in heirs:
                first = heirs[operation.same_as]
                heirs[operation.same_as] = first or path
                yield replace(operation, same_as=first)
            else:
                yield operation


def _unsayable(operation: Operation) -> str:
    if len(operation.path) > _LONGEST:
        return "its path is longer than an engine can unpack"
    if operation.path.rpartition(b"/")[2].startswith(WHITEOUT):
        return "a name that begins with .wh. is read as a deletion"
    if isinstance(operation, Deletion):
        return ""
    status = operation.status
    device = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
    return "a character device 0:0 is read as a deletion" if device else ""


def _size_of(changes: Changes, root: tuple[int, int]) -> int:
    size = len(END)
    for operation in _Sayable(changes).operations():
        for piece, content in _members(operation, root):
            size += len(piece)
            if content is not None:
                size += content.status.st_size + len(padding(content.status.st_size))
    return size


def _layers(config: Mapping[str, Any]) -> Sequence[str]:
    """Give the DiffIDs; an image without layers has none, or null."""
    return config["rootfs"].get("diff_ids") or ()


def _with_layer(config: Mapping[str, Any], layer: str) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rootfs = {**config["rootfs"], "diff_ids": [*_layers(config), layer]}
    step = {"created": now, "created_by": "dockcfgd", "comment": "a container's writable layer"}
    history = [*(config.get("history") or ()), step]
    return {**config, "created": now, "rootfs": rootfs, "history": history}


def _members(operation: Operation, root: tuple[int, int]) -> Iterator[tuple[bytes, Entry | None]]:
    """Give the head of each member, with the entry whose content follows."""
    if isinstance(operation, Deletion):
        folder, _, name = operation.path.rpartition(b"/")
        yield head(_joined(folder, WHITEOUT + name), _PLAIN, size=0), None
        return
    status, path = operation.status, operation.path
    xattrs = {
        name: _as_seen(value, root[0]) if name == _CAPABILITY else value
        for name, value in operation.xattrs.items()
        if not name.startswith(OVERLAY)
    }
    if stat.S_ISSOCK(status.st_mode):
        return
    owner = _owner(operation, root)
    if stat.S_ISDIR(status.st_mode):
        yield head(path + b"/" if path else b"./", status, size=0, owner=owner, xattrs=xattrs), None
        if operation.opaque:
            yield head(_joined(path, _OPAQUE), _PLAIN, size=0), None
    elif operation.same_as is not None:
        link = operation.same_as
        yield head(path, status, size=0, owner=owner, target=link, hard=True), None
    elif stat.S_ISLNK(status.st_mode):
        # No attributes: Docker 28 would set them on what the link leads to, or fail.
        target = os.fsencode(os.readlink(operation.spot.name, dir_fd=operation.spot.folder))
        yield head(path, status, size=0, owner=owner, target=target), None
    elif stat.S_ISREG(status.st_mode):
        size = status.st_size
        yield head(path, status, size=size, owner=owner, xattrs=xattrs), operation
    else:
        yield head(path, status, size=0, owner=owner, xattrs=xattrs), None


def _as_seen(capability: bytes, user: int) -> bytes:
    """Give a file's capability as the container sees it, whose root is a user of the host.

    One that its root has given names that user, and counts for nobody else's root.
    """
    if not user or len(capability) != _OF_A_ROOT.size:
        return capability
    magic, *sets, owner = _OF_A_ROOT.unpack(capability)
    if magic & _VERSION != _VERSION_3 or owner != user:
        return capability
    return _PLAIN_CAPABILITY.pack(magic & ~_VERSION | _VERSION_2, *sets)


def _owner(entry: Entry, root: tuple[int, int]) -> tuple[int, int]:
    uid, gid = entry.status.st_uid - root[0], entry.status.st_gid - root[1]
    if uid < 0 or gid < 0:
        raise _refused(entry.path, "its owner is none of the container's users")
    return uid, gid


def _send(entry: Entry, sink: Sink) -> None:
    left = entry.status.st_size
    file = entry.spot.open(os.O_RDONLY | os.O_NOATIME)
    try:
        while left:
            data = os.read(file, min(_CHUNK, left))
            if not data:
                raise _refused(entry.path, "it became shorter meanwhile")
            sink.write(data)
            left -= len(data)
    finally:
        os.close(file)
    sink.write(padding(entry.status.st_size))


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _refused(path: bytes, why: str) -> LayerRefused:
    return LayerRefused(what="archive", path="/" + os.fsdecode(path), why=why)


def _shown(path: bytes) -> str:
    return "/" + path.decode("utf-8", "backslashreplace")
