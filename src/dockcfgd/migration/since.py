"""What was created or changed since a change of the storage, and would be hidden by going back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.layers.errors import UnknownFormat
from dockcfgd.layers.place import SNAPSHOTTERS, place_of
from dockcfgd.migration.changed_settings import settings_changed
from dockcfgd.migration.documents import Document, flag, table, tables, text, texts
from dockcfgd.migration.inventory import container_name, given_tags, inspected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.migration.access import Access
    from dockcfgd.migration.kept_view import Then
    from dockcfgd.model.kept import KeptStorage

__all__ = ["Since", "since_of", "written_since"]


@dataclass(frozen=True, slots=True)
class Since:
    """Names, sorted.

    Containers that were `created` since, those `removed` since (which come back), those that have
    `written` something since, those whose name, settings or networks are others now (`changed`),
    those of which either could not be told, or not in time (`untold`), those with `--rm` that run
    and would end (`ending`); images that came since, or got another name. `volumes`
    and `networks`: what containers of then need and is not there any more; the `endangered` are
    there and no present container has them, so that to prune them would take them away.
    """

    created: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    endangered_volumes: tuple[str, ...] = ()
    endangered_networks: tuple[str, ...] = ()


def since_of(access: Access, kept: KeptStorage, then: Then, *, seconds: float) -> Since:
    """Compare what the engine has with what it had. EngineFailure where it does not answer.

    For at most about `seconds` writable layers are looked at.
    """
    deadline = time.monotonic() + seconds
    present = inspected(access)
    disposable = [one for one in present if flag(one, "HostConfig", "AutoRemove")]
    staying = [one for one in present if one not in disposable]
    both = [one for one in staying if text(one, "Id") in then.containers]
    told = {
        container_name(one): written_since(kept, text(one, "Id"), deadline=deadline) for one in both
    }
    changed = {container_name(one): settings_changed(kept, text(one, "Id")) for one in both}
    known = {text(one, "Id") for one in staying}
    needed, used = _all(then.volumes.values()), _all(_volumes(one) for one in present)
    there = {text(one, "Name") for one in access.networks.volumes()}
    joined, of_present = _all(then.networks.values()), _all(_networks(one) for one in present)
    networks = {text(one, "Name") for one in access.networks.list()}
    return Since(
        created=_names(one for one in staying if text(one, "Id") not in then.containers),
        removed=_sorted(name for key, name in then.containers.items() if key not in known),
        written=_sorted(name for name, wrote in told.items() if wrote),
        changed=_sorted(name for name, other in changed.items() if other),
        untold=_sorted(name for name in told if None in {told[name], changed[name]}),
        ending=_names(disposable),
        images=_images(access, then, by_name=bool(SNAPSHOTTERS & {kept.driver, kept.successor})),
        volumes=_sorted(needed - there),
        networks=_sorted(joined - networks),
        endangered_volumes=_sorted((needed & there) - used),
        endangered_networks=_sorted((joined & networks) - of_present),
    )


def written_since(kept: KeptStorage, container: str, *, deadline: float) -> bool | None:
    """Tell whether a container has written anything since; None where that cannot be told.

    The kernel sets a file's time of change, and no program can.
    """
    try:
        tree = place_of(kept.root, kept.successor, container).tree
        return _changed(tree, kept.since, deadline)
    except (UnknownFormat, OSError):
        return None


def _changed(tree: str, since: float, deadline: float) -> bool | None:
    waiting = [tree]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return None
                status = entry.stat(follow_symlinks=False)
                if status.st_ctime > since:
                    return True
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return False


def _images(access: Access, then: Then, *, by_name: bool) -> tuple[str, ...]:
    """Give what came since; `by_name`: the IDs of then are not those of the same images now."""
    if then.images is None:
        return ()
    found = []
    known = {name for names in then.images.values() for name in names}
    for image in access.images.list():
        identity = text(image, "Id")
        tags = given_tags(texts(image, "RepoTags"))
        before = then.images.get(identity)
        if by_name:
            found += [tag for tag in tags if tag not in known]
        elif before is None:
            found += tags or [identity.removeprefix("sha256:")[:12]]
        else:
            found += [tag for tag in tags if tag not in before]
    return _sorted(found)


def _volumes(document: Document) -> set[str]:
    return {text(one, "Name") for one in tables(document, "Mounts") if text(one, "Name")}


def _networks(document: Document) -> set[str]:
    return set(table(document, "NetworkSettings", "Networks"))


def _all(groups: Iterable[Iterable[str]]) -> set[str]:
    return {name for group in groups for name in group}


def _names(documents: Iterable[Document]) -> tuple[str, ...]:
    return _sorted(container_name(one) for one in documents)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
