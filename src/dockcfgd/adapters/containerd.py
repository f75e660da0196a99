"""containerd's image store, as the engine keeps its images and writable layers in it.

Over containerd's gRPC services (api/services in its source), which are the same from 1.6 to 2.x. In
the engine's namespace an image is a name for a digest, the writable layer of a container is a
snapshot with the container's ID for a key, and a lease of that ID keeps it from being collected
(moby, daemon/containerd/image_snapshot.go).
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from dockcfgd.adapters import grpc
from dockcfgd.adapters.protobuf import Fields, decoded, encoded, inner, number, texts
from dockcfgd.adapters.subvolumes import subvolumes
from dockcfgd.layers.place import Place
from dockcfgd.model.drivers import BTRFS_SNAPSHOTTER, engine_name
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["MOBY", "Containerd", "address_in", "subvolume_of"]

MOBY = "moby"

_ADDRESS, _FLAG = "/run/containerd/containerd.sock", "--containerd"
_SERVICES = "/containerd.services"
_PLUGINS = "/containerd.services.introspection.v1.Introspection/Plugins"
_SNAPSHOTTERS = "io.containerd.snapshotter.v1"
_ACTIVE, _COMMITTED = 2, 3
# Making a layer may copy a whole image, and what is removed is waited for.
_SECONDS, _COPY_SECONDS, _LONGEST = 60.0, 1800.0, 24 * 3600.0
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
_MOST = 16 * 1024 * 1024
_VIEW = "-dockcfgd-view"
_NUMBERED = re.compile(r"(?P<root>/.+)/snapshots/(?P<number>[0-9]+)(?:/fs)?")


class Containerd:
    """containerd at the socket that `address` gives, and in it the engine's namespace.

    All methods raise EngineFailure where it does not answer or refuses. `attend` is called while it
    is waited for. A snapshotter is given as model.drivers calls it.
    """

    def __init__(self, address: Callable[[], str], *, attend: Callable[[], None]) -> None:
        self._address, self._attend = address, attend

    def root(self, snapshotter: str) -> str:
        """Give the folder that a snapshotter keeps its layers in; EngineFailure: why it cannot."""
        what = f"use containerd's snapshotter {engine_name(snapshotter)}"
        answer = self._ask(_PLUGINS, encoded((1, f"type=={_SNAPSHOTTERS}")), what)
        plugins = [plugin for message in answer for plugin in inner(decoded(message), 1)]
        for plugin in plugins:
            if texts(plugin, 2) == [engine_name(snapshotter)]:
                failed = inner(plugin, 7)
                if failed:
                    raise EngineFailure(what=what, status=0, why=_first(texts(failed[0], 2)))
                exports = {_first(texts(one, 1)): _first(texts(one, 2)) for one in inner(plugin, 5)}
                return exports.get("root", "")
        raise EngineFailure(what=what, status=0, why="it has none of that name")

    def images(self) -> dict[str, str]:
        """Give the digest that each name of an image stands for."""
        answer = self._ask(f"{_SERVICES}.images.v1.Images/List", b"", "list containerd's images")
        found = [image for message in answer for image in inner(decoded(message), 1)]
        return {_first(texts(one, 1)): _first(texts(_target(one), 2)) for one in found}

    def config(self, digest: str) -> str:
        """Give the digest of an image's configuration, which is its ID on a graph driver.

        `digest` is that of its manifest, or of its index, where the one of this machine counts. One
        that is not there is given back as it is.
        """
        try:
            config = self._document(self.manifest(digest)).get("config")
        except grpc.Refused as refused:
            if refused.code != grpc.NOT_FOUND:
                raise
            return digest
        return str(config["digest"]) if isinstance(config, dict) else digest

    def manifest(self, digest: str) -> str:
        """Give the digest of this machine's manifest: of an index the one in it that counts.

        An index that has none here is given back as it is.
        """
        document = self._document(digest)
        return (self._own_manifest(document) if "manifests" in document else "") or digest

    def content(self, digest: str) -> bytes:
        """Give a document that it has, such as an image's configuration."""
        what = f"read what containerd has of {digest}"
        method = f"{_SERVICES}.content.v1.Content/Read"
        answer = self._ask(method, encoded((1, digest), (3, _MOST)), what)
        pieces = [piece for one in answer for piece in decoded(one).get(2, ())]
        return b"".join(piece for piece in pieces if isinstance(piece, bytes))

    def layers(self, snapshotter: str) -> list[str]:
        """Give the keys of all layers that can be written to: the IDs of containers."""
        return [key for key, kind in self._snapshots(snapshotter) if kind == _ACTIVE]

    def prepare(self, snapshotter: str, container: str, *, like: str) -> None:
        """Give a container an empty layer of its own, on the same image as that of another one.

        It goes with the lease of the container's name, as those that the engine makes do.
        """
        what = f"make a layer for container {container}"
        self.forget(snapshotter, [container])
        self.mark(container)
        self._ask(
            f"{_SERVICES}.snapshots.v1.Snapshots/Prepare",
            encoded((1, engine_name(snapshotter)), (2, container), (3, f"{like}-init")),
            what,
            lease=container,
            limit=_COPY_SECONDS,
        )

    def mark(self, name: str) -> None:
        """Make a lease of this name, which holds nothing yet; one that is there is fine."""
        method, what = f"{_SERVICES}.leases.v1.Leases/Create", f"make containerd's lease {name}"
        self._ask_gently(method, encoded((1, name)), what, fine=grpc.ALREADY_EXISTS)

    def marks(self) -> list[str]:
        """Give the names of all leases."""
        answer = self._ask(f"{_SERVICES}.leases.v1.Leases/List", b"", "list containerd's leases")
        found = [lease for message in answer for lease in inner(decoded(message), 1)]
        return [_first(texts(lease, 1)) for lease in found]

    def unmark(self, name: str) -> None:
        """Remove a lease, and so what only it holds; one that is not there is fine."""
        method, what = f"{_SERVICES}.leases.v1.Leases/Delete", f"remove containerd's lease {name}"
        self._ask_gently(method, encoded((1, name)), what)

    def place(self, snapshotter: str, container: str) -> tuple[Place, str]:
        """Find the writable layer of a container, and the chain of layers that is below it."""
        what = f"find the layer of container {container}"
        below = self._parent(snapshotter, container, what)
        chain = self._parent(snapshotter, below, what)
        mounts = self._mounts("Mounts", snapshotter, container, what)
        if snapshotter == BTRFS_SNAPSHOTTER:
            return self._in_subvolumes(snapshotter, mounts, what), chain
        own = self._numbered(mounts, what)
        if snapshotter == "native":
            base = self._viewed(snapshotter, container, below, what)
        else:
            base = own[1:]
        if own[0][0] != base[0][0]:
            raise EngineFailure(what=what, status=0, why="its layers lie in several folders")
        return Place(snapshotter, own[0][0], own[0][1], base[0][1]), chain

    def forget(self, snapshotter: str, containers: Sequence[str]) -> None:
        """Remove the layers of containers; those that are not there are fine."""
        for container in containers:
            self._remove(snapshotter, container)
            self.unmark(container)

    def clear(self, snapshotter: str, *, mark: str = "") -> None:
        """Remove all that the engine left in its namespace, and wait until that is done.

        Images, what containers have written, leases, and with them the build cache; the lease
        `mark` last, so that what was cut off is known as such. What the engine's containers run as
        is not touched: a graph driver's do so in the same namespace.
        """
        for key, kind in self._snapshots(snapshotter):
            if kind != _COMMITTED:
                self._remove(snapshotter, key)
        for name in self.marks():
            if name != mark:
                self.unmark(name)
        names = list(self.images())
        for count, name in enumerate(names, start=1):
            self._ask_gently(
                f"{_SERVICES}.images.v1.Images/Delete",
                # The last one waits for what becomes free.
                encoded((1, name), (2, int(count == len(names)))),
                f"remove containerd's image {name}",
                limit=_LONGEST,
            )
        if mark:
            self.unmark(mark)

    def _viewed(
        self, snapshotter: str, container: str, below: str, what: str
    ) -> list[tuple[str, str]]:
        """Find the layer below one that is a whole tree: a view of it shows where it is."""
        key = f"{container}{_VIEW}"
        self._remove(snapshotter, key)
        mounts = self._mounts("View", snapshotter, key, what, parent=below)
        self._remove(snapshotter, key)
        return self._numbered(mounts, what)

    def _in_subvolumes(self, snapshotter: str, mounts: Sequence[Fields], what: str) -> Place:
        """Find the subvolume that a mount names by its ID, and the one that it is a snapshot of.

        A view of that would be a snapshot of it, and gone with the view (containerd,
        snapshots/btrfs).
        """
        root, identity = self.root(snapshotter), subvolume_of(mounts)
        try:
            found = [one for one in subvolumes(f"{root}/active") if one[1].id == identity]
            below = [
                (name, one)
                for name, one in subvolumes(f"{root}/snapshots")
                if any(one.uuid == upper.origin for _, upper in found)
            ]
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            raise EngineFailure(what=what, status=0, why=why) from error
        if not found or not below:
            why = f"it is not laid out as known releases do it (subvolume {identity} in {root})"
            raise EngineFailure(what=what, status=0, why=why)
        return Place(snapshotter, root, f"active/{found[0][0]}", f"snapshots/{below[0][0]}")

    def _remove(self, snapshotter: str, key: str) -> None:
        method = f"{_SERVICES}.snapshots.v1.Snapshots/Remove"
        message = encoded((1, engine_name(snapshotter)), (2, key))
        self._ask_gently(method, message, f"remove the layer {key}")

    def _mounts(
        self, method: str, snapshotter: str, key: str, what: str, *, parent: str = ""
    ) -> list[Fields]:
        answer = self._ask(
            f"{_SERVICES}.snapshots.v1.Snapshots/{method}",
            encoded((1, engine_name(snapshotter)), (2, key), (3, parent)),
            what,
        )
        return [mount for message in answer for mount in inner(decoded(message), 1)]

    @staticmethod
    def _numbered(mounts: Sequence[Fields], what: str) -> list[tuple[str, str]]:
        """Give the folder and number of each layer that a mount is made of, the uppermost first."""
        paths = [path for mount in mounts for path in _paths(mount)]
        found = [_NUMBERED.fullmatch(path) for path in paths]
        if not found or not all(found):
            why = f"it is not laid out as known releases do it ({', '.join(paths)})"
            raise EngineFailure(what=what, status=0, why=why)
        return [(one["root"], one["number"]) for one in found if one]

    def _parent(self, snapshotter: str, key: str, what: str) -> str:
        message = encoded((1, engine_name(snapshotter)), (2, key))
        answer = self._ask(f"{_SERVICES}.snapshots.v1.Snapshots/Stat", message, what)
        return _first([parent for one in answer for parent in texts(_info(decoded(one)), 2)])

    def _snapshots(self, snapshotter: str) -> list[tuple[str, int]]:
        answer = self._ask(
            f"{_SERVICES}.snapshots.v1.Snapshots/List",
            encoded((1, engine_name(snapshotter))),
            "list containerd's layers",
        )
        found = [info for message in answer for info in inner(decoded(message), 1)]
        return [(_first(texts(info, 1)), number(info, 3)) for info in found]

    def _document(self, digest: str) -> dict[str, Any]:
        try:
            document = json.loads(self.content(digest))
        except ValueError as error:
            what, why = f"read what containerd has of {digest}", f"no JSON ({error})"
            raise EngineFailure(what=what, status=0, why=why) from error
        return document if isinstance(document, dict) else {}

    def _own_manifest(self, index: Mapping[str, Any]) -> str:
        """Give the manifest in an index that is for this machine, else any that is here."""
        here = _ARCHITECTURES.get(os.uname().machine, os.uname().machine)
        listed = [one for one in index["manifests"] or () if _architecture(one) != "unknown"]
        for one in sorted(listed, key=lambda one: _architecture(one) != here):
            try:
                if "config" in self._document(one["digest"]):
                    return str(one["digest"])
            except grpc.Refused as refused:
                if refused.code != grpc.NOT_FOUND:
                    raise
        return ""

    def _ask_gently(
        self,
        method: str,
        message: bytes,
        what: str,
        *,
        fine: int = grpc.NOT_FOUND,
        limit: float = _SECONDS,
    ) -> None:
        """Ask for what may be done already."""
        try:
            self._ask(method, message, what, limit=limit)
        except grpc.Refused as refused:
            if refused.code != fine:
                raise

    def _ask(
        self,
        method: str,
        message: bytes,
        what: str,
        *,
        lease: str = "",
        limit: float = _SECONDS,
    ) -> list[bytes]:
        metadata = {"containerd-namespace": MOBY} | ({"containerd-lease": lease} if lease else {})
        try:
            return grpc.call(
                self._address(), method, message,
                metadata=metadata, what=what, limit=limit, attend=self._attend,
            )  # fmt: skip
        except ValueError as error:
            why = f"containerd's answer is not understood: {error}"
            raise EngineFailure(what=what, status=0, why=why) from error


def address_in(command: Sequence[str]) -> str:
    """Give the socket of containerd that a command of dockerd names, or the usual one."""
    words = iter(command)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag == _FLAG:
            return value if equals else next(words, "")
    return _ADDRESS


def subvolume_of(mounts: Sequence[Fields]) -> int:
    """Give the ID of the subvolume of btrfs that mounts show, 0 where it is none."""
    options = {name: value for mount in mounts for name, value in _options(mount).items()}
    kinds = {kind for mount in mounts for kind in texts(mount, 1)}
    number_ = options.get("subvolid", "") if kinds == {"btrfs"} else ""
    return int(number_) if number_.isdecimal() else 0


def _architecture(manifest: Mapping[str, Any]) -> str:
    return str((manifest.get("platform") or {}).get("architecture", ""))


def _target(image: Fields) -> Fields:
    found = inner(image, 3)
    return found[0] if found else {}


def _info(answer: Fields) -> Fields:
    found = inner(answer, 1)
    return found[0] if found else {}


def _paths(mount: Fields) -> list[str]:
    """Give the folders of the layers that a mount shows, the uppermost first."""
    if texts(mount, 1) == ["bind"]:
        return texts(mount, 2)
    options = _options(mount)
    lower = options.get("lowerdir", "")
    return [path for path in (options.get("upperdir", ""), *lower.split(":")) if path]


def _options(mount: Fields) -> dict[str, str]:
    found = (option.partition("=") for option in texts(mount, 4))
    return {name: value for name, _, value in found}


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""
