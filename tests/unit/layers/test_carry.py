"""The program that carries writable layers: what it takes for a change of the engine's content."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.layers import carry as program
from dockcfgd.layers.carry import Changed, carry
from dockcfgd.layers.copying import fill_layer
from dockcfgd.model.drivers import SNAPSHOTTERS

TARGETS = ("vfs", *sorted(SNAPSHOTTERS))


class Engines:
    """A stopped engine and its staging engine, without containers until they are made."""

    def __init__(self, top: Path) -> None:
        self.root, self.staging = top / "docker", top / "docker/dockcfgd/t.staging"
        self._names: dict[str, str] = {}
        self._brought: list[str] = []
        self._pairs: list[dict[str, str]] = []

    def image(self, name: str) -> Path:
        """Make one with a name; give the file that says what it is."""
        content = json.dumps({"made": name}).encode()
        identity = hashlib.sha256(content).hexdigest()
        self._names[name] = f"sha256:{identity}"
        repositories = {"Repositories": {name.partition(":")[0]: self._names}}
        self._put(self.root / "image/overlay2/repositories.json", json.dumps(repositories).encode())
        return self._put(self._contents(self.root, "overlay2") / identity, content)

    def brought(self, name: str) -> None:
        """Have it in the staging engine."""
        identity = self._names[name]
        self._brought.append(identity)
        self._put(self._contents(self.staging, "vfs") / identity.removeprefix("sha256:"), b"{}")

    def container(self, number: int) -> str:
        """Make one that has written a file, and its stand-in on vfs; give its ID."""
        identity, stand_in = f"{number:064x}", f"{number + 100:064x}"
        config = {"ID": identity, "Driver": "overlay2", "Name": f"/c{number}"}
        self._put(
            self.root / "containers" / identity / "config.v2.json", json.dumps(config).encode()
        )
        own = self._layer(self.root, "overlay2", identity)
        self._put(own / "diff/file", identity.encode())
        self._put(own.with_name(f"{own.name}-init") / "diff/hostname", b"")
        self._put(own.with_name(f"{own.name}-init") / "link", b"A" * 26)
        self._put(own / "lower", b"l/" + b"A" * 26)
        goal = self._layer(self.staging, "vfs", stand_in)
        for folder in (goal, goal.with_name(f"{goal.name}-init")):
            self._put(folder / "hostname", b"")
        self._pairs.append({"container": identity, "name": f"c{number}", "stand_in": stand_in})
        return identity

    def carried(self, identity: str) -> Path:
        """Give the tree that a container has on vfs."""
        mount = self.staging / "image/vfs/layerdb/mounts" / identity / "mount-id"
        return self.staging / "vfs/dir" / mount.read_text()

    def _layer(self, top: Path, driver: str, identity: str) -> Path:
        mount = identity[::-1]
        folder = top / "image" / driver / "layerdb/mounts" / identity
        self._put(folder / "mount-id", mount.encode())
        self._put(folder / "init-id", f"{mount}-init".encode())
        return top / driver / ("dir" if driver == "vfs" else "") / mount

    def carry(self, target: str) -> None:
        self.staging.mkdir(parents=True, exist_ok=True)
        (self.staging / "image" / target).mkdir(parents=True, exist_ok=True)
        job = {
            "root": str(self.root),
            "driver": "overlay2",
            "staging": str(self.staging),
            "target": target,
            "containers": self._pairs,
            "images": self._brought,
            "sources": {},
            "goals": {},
        }
        carry(job)

    def _contents(self, top: Path, driver: str) -> Path:
        return top / "image" / driver / "imagedb/content/sha256"

    def _put(self, where: Path, content: bytes) -> Path:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content)
        return where


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    made = Engines(tmp_path)
    made.image("app:1")
    made.brought("app:1")
    return made


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_that_came_meanwhile_is_a_change(engines: Engines, target: str) -> None:
    engines.carry(target)
    engines.image("app:late")
    with pytest.raises(Changed, match="made or pulled meanwhile: app:late"):
        engines.carry(target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("left", [None, b"", b"{", bytes(18)])
def test_a_name_without_an_image_that_can_be_loaded_is_none(
    engines: Engines, target: str, left: bytes | None
) -> None:
    content = engines.image("app:damaged")
    if left is None:
        content.unlink()
    else:
        content.write_bytes(left)
    engines.carry(target)
    assert (engines.staging / "carried.json").exists()


def test_two_containers_are_carried_at_the_same_time(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = [engines.container(number) for number in (1, 2)]
    both = threading.Barrier(2)

    def meet(*places: Any, **options: Any) -> None:
        both.wait(20)
        fill_layer(*places, **options)

    monkeypatch.setattr(program, "fill_layer", meet)
    engines.carry("vfs")
    for identity in carried:
        assert (engines.carried(identity) / "file").read_text() == identity
