"""The program that carries writable layers: what it takes for a change of the engine's content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from dockcfgd.layers.carry import Changed, carry
from dockcfgd.model.drivers import SNAPSHOTTERS

TARGETS = ("vfs", *sorted(SNAPSHOTTERS))


class Engines:
    """A stopped engine and its staging engine, without containers."""

    def __init__(self, top: Path) -> None:
        self.root, self.staging = top / "docker", top / "docker/dockcfgd/t.staging"
        self._names: dict[str, str] = {}
        self._brought: list[str] = []

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

    def carry(self, target: str) -> None:
        self.staging.mkdir(parents=True, exist_ok=True)
        (self.staging / "image" / target).mkdir(parents=True, exist_ok=True)
        job = {
            "root": str(self.root),
            "driver": "overlay2",
            "staging": str(self.staging),
            "target": target,
            "containers": [],
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
