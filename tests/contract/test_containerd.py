"""What is asked of containerd, against a service with its messages and its rules.

The real one is asked by tests/machine/test_containerd_store.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dockcfgd.adapters import grpc
from dockcfgd.adapters.containerd import Containerd, address_in
from dockcfgd.adapters.protobuf import decoded, encoded, texts
from dockcfgd.layers.place import Place
from dockcfgd.model.errors import EngineFailure

ROOT = "/var/lib/containerd/io.containerd.snapshotter.v1"
_ACTIVE, _COMMITTED = 2, 3


@dataclass
class Service:
    """containerd's services. An entry of `breaks` is how many calls of a method end well."""

    images: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, Any] = field(default_factory=dict)
    leases: set[str] = field(default_factory=set)
    layers: dict[str, tuple[str, int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    def call(
        self, path: str, method: str, message: bytes, *, metadata: dict[str, str], what: str,
        limit: float, attend: object,
    ) -> list[bytes]:  # fmt: skip
        assert path == "/run/containerd/containerd.sock"
        assert metadata["containerd-namespace"] == "moby"
        assert callable(attend)
        name = method.rpartition(".")[2].rpartition("/")[0] + method.rpartition("/")[2]
        self.asked.append((name, limit))
        if self.breaks.get(name, 1) <= 0:
            raise grpc.Unreachable(what=what, why="connection refused")
        if name in self.breaks:
            self.breaks[name] -= 1
        answer: list[bytes] = getattr(self, f"_{name}")(decoded(message), what, metadata)
        return answer

    def _IntrospectionPlugins(self, *_: object) -> list[bytes]:  # noqa: N802
        export = encoded((1, "root"), (2, f"{ROOT}.overlayfs"))
        failed = encoded((1, 2), (2, "must be a btrfs filesystem"))
        plugins = [encoded((2, "overlayfs"), (5, export)), encoded((2, "btrfs"), (7, failed))]
        return [encoded(*((1, one) for one in plugins))]

    def _ImagesList(self, *_: object) -> list[bytes]:  # noqa: N802
        found = [
            encoded((1, name), (3, encoded((2, digest)))) for name, digest in self.images.items()
        ]
        return [encoded(*((1, one) for one in found))]

    def _ImagesDelete(self, asked: Any, *_: object) -> list[bytes]:  # noqa: N802
        self.images.pop(texts(asked, 1)[0])
        return [b""]

    def _ContentRead(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        digest = (texts(asked, 1) or [""])[0]
        if digest not in self.blobs:
            code = grpc.NOT_FOUND if digest else 3
            raise grpc.Refused(what=what, code=code, why=f"content {digest}: not found")
        content = json.dumps(self.blobs[digest]).encode()
        return [encoded((2, content[:9])), encoded((1, 9), (2, content[9:]))]

    def _LeasesList(self, *_: object) -> list[bytes]:  # noqa: N802
        return [encoded(*((1, encoded((1, one))) for one in sorted(self.leases)))]

    def _LeasesCreate(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        if texts(asked, 1)[0] in self.leases:
            raise grpc.Refused(what=what, code=grpc.ALREADY_EXISTS, why="already exists")
        self.leases.add(texts(asked, 1)[0])
        return [b""]

    def _LeasesDelete(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        if texts(asked, 1)[0] not in self.leases:
            raise grpc.Refused(what=what, code=grpc.NOT_FOUND, why="not found")
        self.leases.remove(texts(asked, 1)[0])
        return [b""]

    def _SnapshotsList(self, *_: object) -> list[bytes]:  # noqa: N802
        return [encoded((1, self._info(key))) for key in self.layers]

    def _SnapshotsStat(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        self._known(texts(asked, 2)[0], what)
        return [encoded((1, self._info(texts(asked, 2)[0])))]

    def _SnapshotsRemove(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        self._known(texts(asked, 2)[0], what)
        del self.layers[texts(asked, 2)[0]]
        return [b""]

    def _SnapshotsPrepare(self, asked: Any, what: str, given: Any) -> list[bytes]:  # noqa: N802
        key, parent = texts(asked, 2)[0], texts(asked, 3)[0]
        self._known(parent, what)
        assert key not in self.layers
        assert given["containerd-lease"] == key
        assert key in self.leases
        self.add(key, parent)
        return [b""]

    def _SnapshotsMounts(self, asked: Any, what: str, _: object) -> list[bytes]:  # noqa: N802
        key = texts(asked, 2)[0]
        self._known(key, what)
        folders = [f"{ROOT}.overlayfs/snapshots/{self.numbers[one]}/fs" for one in self._line(key)]
        options = [f"upperdir={folders[0]}", f"lowerdir={':'.join(folders[1:])}"]
        mount = encoded((1, "overlay"), (2, "overlay"), *((4, one) for one in options))
        return [encoded((1, mount))]

    def add(self, key: str, parent: str = "", kind: int = _ACTIVE) -> None:
        self.layers[key] = (parent, kind)
        self.numbers[key] = len(self.numbers) + 1

    def _line(self, key: str) -> Iterator[str]:
        while key:
            yield key
            key = self.layers[key][0]

    def _info(self, key: str) -> bytes:
        parent, kind = self.layers[key]
        return encoded((1, key), (2, parent), (3, kind))

    def _known(self, key: str, what: str) -> None:
        if key not in self.layers:
            raise grpc.Refused(what=what, code=grpc.NOT_FOUND, why=f"snapshot {key}: not found")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(grpc, "call", service.call)
    return service


@pytest.fixture
def containerd(service: Service) -> Containerd:
    service.add("sha256:base", kind=_COMMITTED)
    service.add("one-init", "sha256:base", kind=_COMMITTED)
    service.add("one", "one-init")
    service.leases.add("one")
    return Containerd(lambda: address_in(["/usr/sbin/dockerd"]), attend=lambda: None)


def test_a_snapshotter_says_where_it_is_or_why_it_is_not(containerd: Containerd) -> None:
    assert containerd.root("overlayfs") == f"{ROOT}.overlayfs"
    with pytest.raises(EngineFailure, match=r"snapshotter btrfs: must be a btrfs"):
        containerd.root("btrfs")
    with pytest.raises(EngineFailure, match=r"zfs: it has none of that name"):
        containerd.root("zfs")


def test_a_layer_is_found_with_what_is_below_it(containerd: Containerd) -> None:
    assert containerd.layers("overlayfs") == ["one"]
    place = Place("overlayfs", f"{ROOT}.overlayfs", mount_id="3", init_id="2")
    assert containerd.place("overlayfs", "one") == (place, "sha256:base")
    with pytest.raises(EngineFailure, match=r"container two: snapshot two: not found"):
        containerd.place("overlayfs", "two")


def test_a_container_gets_an_empty_layer_that_its_lease_holds(
    service: Service, containerd: Containerd
) -> None:
    containerd.prepare("overlayfs", "two", like="one")
    first = service.numbers["two"]
    containerd.prepare("overlayfs", "two", like="one")
    assert service.layers["two"] == ("one-init", _ACTIVE)
    assert service.numbers["two"] != first, "what was in it before is gone"
    assert service.leases == {"one", "two"}
    containerd.forget("overlayfs", ["one", "two", "three"])
    assert service.leases == set()
    assert containerd.layers("overlayfs") == []
    # A layer may be a copy of a whole image.
    assert max(limit for name, limit in service.asked if name == "SnapshotsPrepare") > 600


class TestConfig:
    def test_it_is_that_of_the_manifest(self, service: Service, containerd: Containerd) -> None:
        service.blobs = {"sha256:m": {"config": {"digest": "sha256:c"}, "layers": []}}
        assert containerd.config("sha256:m") == "sha256:c"
        assert containerd.config("sha256:unknown") == "sha256:unknown"

    def test_of_many_platforms_this_machines_counts(
        self, service: Service, containerd: Containerd
    ) -> None:
        here = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")
        kinds = ["unknown", "other", here]
        listed = [{"digest": f"sha256:{one}", "platform": {"architecture": one}} for one in kinds]
        service.blobs = {"sha256:index": {"manifests": listed}}
        service.blobs |= {
            f"sha256:{one}": {"config": {"digest": f"sha256:c-{one}"}} for one in kinds
        }
        assert containerd.config("sha256:index") == f"sha256:c-{here}"
        del service.blobs[f"sha256:{here}"]
        assert containerd.config("sha256:index") == "sha256:c-other"

    @pytest.mark.parametrize("listed", [[], None, [{"digest": "sha256:away"}]])
    def test_an_index_without_anything_here_is_no_obstacle(
        self, service: Service, containerd: Containerd, listed: object
    ) -> None:
        service.blobs = {"sha256:index": {"manifests": listed}}
        assert containerd.config("sha256:index") == "sha256:index"


class TestClear:
    def test_nothing_is_left(self, service: Service, containerd: Containerd) -> None:
        service.images = {"a": "sha256:a", "b": "sha256:b"}
        service.leases.add("of-the-build-cache")
        containerd.clear("overlayfs")
        assert (service.images, service.leases) == ({}, set())
        assert containerd.layers("overlayfs") == []

    def test_cut_off_it_is_known_as_such(self, service: Service, containerd: Containerd) -> None:
        service.images = {"a": "sha256:a", "b": "sha256:b"}
        containerd.mark("mine")
        service.breaks = {"ImagesDelete": 1}
        with pytest.raises(grpc.Unreachable) as unreachable:
            containerd.clear("overlayfs", mark="mine")
        assert unreachable.value.of_surroundings
        assert service.leases == {"mine"}
        service.breaks = {}
        containerd.clear("overlayfs", mark="mine")
        assert (service.images, service.leases) == ({}, set())


@pytest.mark.parametrize(
    ("command", "address"),
    [
        (["dockerd", "--containerd=/run/other.sock"], "/run/other.sock"),
        (["dockerd", "--containerd", "/run/other.sock"], "/run/other.sock"),
        (["dockerd", "--containerd-namespace=x"], "/run/containerd/containerd.sock"),
        ([], "/run/containerd/containerd.sock"),
    ],
)
def test_where_containerd_listens(command: list[str], address: str) -> None:
    assert address_in(command) == address
