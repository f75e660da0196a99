"""What is kept of the storage, read from the folders that it lies in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.migration import disposable
from dockcfgd.migration.documents import table, text
from dockcfgd.migration.folders import belongings
from dockcfgd.migration.inventory import KEPT, container_name
from dockcfgd.model.drivers import engine_name
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from dockcfgd.model.kept import KeptStorage

__all__ = ["Then", "kept_paths", "then_of"]

_CONFIG = "config.v2.json"
_HOLDER = "dockcfgd-hold-"
_PREDEFINED = frozenset({"bridge", "host", "none", "default"})
_SUBVOLUMES = "btrfs/subvolumes"


@dataclass(frozen=True, slots=True)
class Then:
    """What the engine had on the driver of then.

    Names of containers by their IDs, and by the same the volumes and networks that they have;
    `disposable` are the names of those with `--rm`. `images` are names by ID, None where the
    folders do not tell.
    """

    containers: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    images: Mapping[str, tuple[str, ...]] | None = None
    disposable: tuple[str, ...] = ()


def then_of(kept: KeptStorage) -> Then:
    """Read it. What cannot be read counts as not there."""
    names: tuple[str, ...] = ()
    with suppress(FileFailure):
        documents = disposable.kept(kept.disposable) if kept.disposable else []
        names = tuple(sorted(container_name(one) for one, _ in documents))
    # The engine of then removes what is left of those with --rm when it starts.
    here = {
        key: one
        for key, one in _configs(kept)
        if not _name(one).startswith(_HOLDER) and _name(one) not in names
    }
    return Then(
        containers={key: _name(one) for key, one in here.items()},
        volumes={key: frozenset(_volumes(one)) for key, one in here.items()},
        networks={key: frozenset(_networks(one)) for key, one in here.items()},
        images=_images(kept),
        disposable=names,
    )


def kept_paths(kept: KeptStorage) -> list[str]:
    """Give the folders that would be freed, and each subvolume in them, which is measured alone."""
    paths = [kept.folder]
    if not kept.moved:
        paths += [f"{kept.root}/{path}" for path in _belongings(kept.root, kept.driver)]
    for one in kept.superseded:
        paths += [f"{one.root}/{path}" for path in _belongings(one.root, one.driver)]
    for place in (kept.folder, *(() if kept.moved else (kept.root,))):
        with suppress(OSError):
            paths += sorted(str(path) for path in Path(place, _SUBVOLUMES).iterdir())
    return paths


def _belongings(root: str, driver: str) -> list[str]:
    try:
        return belongings(root, driver)
    except FileFailure:
        return []


def _configs(kept: KeptStorage) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(Path(kept.folder, "configs").glob("*.json")):
        document = _document(path)
        if document:
            yield path.stem, document
    place = Path(kept.folder if kept.moved else kept.root, "containers")
    for path in sorted(place.glob(f"*/{_CONFIG}")):
        document = _document(path)
        if document.get("Driver") == engine_name(kept.driver):
            yield path.parent.name, document


def _images(kept: KeptStorage) -> dict[str, tuple[str, ...]] | None:
    top = Path(kept.folder if kept.moved else kept.root, "image", kept.driver)
    contents = top / "imagedb" / "content" / "sha256"
    try:
        found = {f"sha256:{path.name}": list[str]() for path in contents.iterdir()}
    except OSError:
        return None
    repositories = table(_document(top / "repositories.json"), "Repositories")
    for named in repositories.values():
        for name, identity in named.items() if isinstance(named, dict) else ():
            if "@" not in name and not name.startswith(KEPT):
                found.setdefault(str(identity), []).append(name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _name(document: dict[str, Any]) -> str:
    return text(document, "Name").removeprefix("/")


def _volumes(document: dict[str, Any]) -> Iterator[str]:
    for one in table(document, "MountPoints").values():
        if isinstance(one, dict) and one.get("Name"):
            yield str(one["Name"])


def _networks(document: dict[str, Any]) -> Iterator[str]:
    yield from table(document, "NetworkSettings", "Networks").keys() - _PREDEFINED
