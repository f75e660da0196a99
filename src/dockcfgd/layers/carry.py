"""Carries the writable layers of an engine's containers to a staging engine's data; a program.

    python3 -I -S carry.py JOB

JOB is the JSON of a Cargo (model/cargo.py). Both engines are stopped. It needs the standard library
only, and more rights than dockcfgd's own service has. It ends with 0, or with 1 and a last line of
JSON: `why`, the `path` that is about, and `changed` where something came to the engine that is not
part of the job. Doing it again ends where doing it once does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from dockcfgd.layers.ahead import Ahead
from dockcfgd.layers.copying import empty_layer, fill_layer, sync_filesystem
from dockcfgd.layers.errors import UnknownFormat
from dockcfgd.layers.place import SNAPSHOTTERS, Form, Place, place_of
from dockcfgd.layers.staying import ahead_of, staying
from dockcfgd.model.errors import DockcfgdError
from dockcfgd.side_by_side import side_by_side

__all__ = ["Changed", "carry", "main"]

_CARRIED = "carried.json"
_BEGUN = "carry-begun"
_CONFIG = "config.v2.json"
_NAMES = "repositories.json"
_NATIVE = "native"
_OF_IMAGE = ("Image", "ImageManifest")
# Names that dockcfgd gives for a while (migration.inventory).
_KEPT = "dockcfgd-kept/"


class Changed(Exception):
    """Something is on disk that the job does not name, or is gone from it."""


def main(path: str) -> int:
    """Do the job in the file `path`."""
    try:
        carry(json.loads(Path(path).read_bytes()))
    except Changed as changed:
        answer = {"changed": True, "why": str(changed)}
    except (DockcfgdError, ValueError, KeyError) as error:
        answer = {"why": str(error) or repr(error)}
    except OSError as error:
        answer = {"why": error.strerror or str(error), "path": str(error.filename or "")}
    else:
        return 0
    print(json.dumps(answer), flush=True)  # noqa: T201 -- this is its output
    return 1


def carry(job: dict[str, Any]) -> None:
    """Do a job. Raises Changed, UnknownFormat, OSError."""
    root, staging = Path(str(job["root"])), Path(str(job["staging"]))
    driver, target = str(job["driver"]), str(job["target"])
    given = job["containers"]
    pairs = {str(one["container"]): str(one["stand_in"]) for one in given}
    names = {str(one["container"]): str(one["name"]) for one in given}
    _same_containers(staying(root, driver), names)
    if driver not in SNAPSHOTTERS:
        _names_known(root, driver, staging, target, images=set(map(str, job["images"])))
    mounts = staging / "image" / target / "layerdb" / "mounts"
    # A stand-in that was only created has nothing of its own (migration/staging.py), and to compare
    # whole trees takes as long as they have files, while containers are down. The copies that
    # containerd's native makes are not exact: folders with hard links in them get another mtime.
    # Snapshots of btrfs are.
    begun = (staging / _BEGUN).exists()
    if not begun:
        _write(staging / _BEGUN, b"")

    def carry_one(pair: tuple[str, str]) -> None:
        identity, stand_in = pair
        moved = (mounts / identity).exists()
        source = _Layer.found(job["sources"], identity, root, driver)
        own = identity if moved else stand_in
        goal = _Layer.found(job["goals"], identity, staging, target, called=own)
        if source.below != goal.below:
            why = "its stand-in has another image"
            raise UnknownFormat(container=names[identity], path=goal.place.tree, why=why)
        if begun or goal.place.form is not Form.TREE or target == _NATIVE:
            empty_layer(goal.place)
        fill_layer(source.place, goal.place, ahead=Ahead(ahead_of(str(staging), identity)))
        if not moved and target not in SNAPSHOTTERS:
            (mounts / stand_in).rename(mounts / identity)

    side_by_side(carry_one, pairs.items())
    carried: dict[str, Any] = {"containers": list(pairs)}
    if SNAPSHOTTERS & {driver, target}:
        carried["images"] = {key: _image(staging, one) for key, one in pairs.items()}
    else:
        _names(root / "image" / driver, staging / "image" / target)
    _write(staging / _CARRIED, json.dumps(carried).encode())
    # Once for all of them, while containers are down, and for no other filesystem.
    for one in {str(staging), *(goal["place"]["root"] for goal in job["goals"].values())}:
        sync_filesystem(one)


@dataclass(frozen=True)
class _Layer:
    """Where a container's layer lies, and the chain of its image's layers."""

    place: Place
    below: str

    @classmethod
    def found(
        cls, given: dict[str, Any], identity: str, root: Path, driver: str, *, called: str = ""
    ) -> _Layer:
        """Take what is given of it, or look for it below a data-root, where it may be `called` so.

        A container that is made of an image without layers has no chain.
        """
        if identity in given:
            one = given[identity]
            return cls(Place.from_document(one["place"]), str(one["below"]))
        folder = root / "image" / driver / "layerdb" / "mounts" / (called or identity)
        return cls(place_of(str(root), driver, folder.name), _text(folder / "parent"))


def _image(staging: Path, stand_in: str) -> dict[str, Any]:
    """Give what a container's file has of its image: another ID in containerd's store."""
    document = json.loads((staging / "containers" / stand_in / _CONFIG).read_bytes())
    return {key: document.get(key) for key in _OF_IMAGE}


def _same_containers(there: dict[str, str], names: dict[str, str]) -> None:
    came = sorted(there[key] for key in there.keys() - names.keys())
    gone = sorted(names[key] for key in names.keys() - there.keys())
    if came:
        raise Changed(f"containers were made meanwhile: {', '.join(came)}")
    if gone:
        raise Changed(f"containers were removed meanwhile: {', '.join(gone)}")


def _names_known(root: Path, driver: str, staging: Path, target: str, *, images: set[str]) -> None:
    """Raise Changed where an image has a name and is not in the staging engine.

    In containerd's store images have other IDs, and `images` are those that came there. A name
    without an image, which the engine does not list either, counts for nothing.
    """
    if target not in SNAPSHOTTERS:
        folder = staging / "image" / target / "imagedb" / "content" / "sha256"
        images = {f"sha256:{name}" for name in _listed(folder)}
    source = root / "image" / driver
    for repository in _repositories(source).values():
        for name, identity in repository.items():
            kept = target in SNAPSHOTTERS and name.startswith(_KEPT)
            if identity not in images and not kept and _has_image(source, identity):
                raise Changed(f"an image was made or pulled meanwhile: {name}")


def _has_image(folder: Path, identity: str) -> bool:
    """Whether the engine can load an image: it leaves out what is damaged (moby, image/fs.go)."""
    content = folder / "imagedb" / "content" / "sha256" / identity.removeprefix("sha256:")
    try:
        return f"sha256:{hashlib.sha256(content.read_bytes()).hexdigest()}" == identity
    except FileNotFoundError:
        return False


def _names(source: Path, goal: Path) -> None:
    """Give the images the names that they have, by digest too, and what was learned of registries.

    An archive has none of the names by digest.
    """
    content = (source / _NAMES).read_bytes() if (source / _NAMES).exists() else b""
    if content:
        _write(goal / _NAMES, content)
    if (source / "distribution").exists():
        shutil.copytree(source / "distribution", goal / "distribution", dirs_exist_ok=True)


def _repositories(folder: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads((folder / _NAMES).read_bytes())["Repositories"]
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _listed(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def _write(where: Path, content: bytes) -> None:
    part = where.with_name(f"{where.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(where)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
