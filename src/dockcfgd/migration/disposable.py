"""Containers with `--rm`: they and their unnamed volumes go with every stop of the engine.

Before it, each is committed and described in a file of its own, and a container that is never
started takes its volumes too, so that they are in use. After it, each is created and started again
under its name; it takes the volumes from that container, which leaves unnamed ones unnamed: they
still go when it ends. FOLDER holds ID12.json for each, and restored.json, the present IDs by the
old ones, so that none is brought back twice. FOLDER/again is the folder of a further stop, the one
on the way back: what is in it is brought back with the rest. Their logs are kept too (kept_logs).

    inspect    what the container is
    image      what has its writable layer; empty while it is being kept
    before     what has it as it was when it was kept first, where it is kept again
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.access import empty_volumes
from dockcfgd.migration.archive import make_folder, read_document, write_document
from dockcfgd.migration.at_once import at_once
from dockcfgd.migration.dependency import create_waves, in_order, start_waves
from dockcfgd.migration.documents import Document, flag, table, tables, text, texts
from dockcfgd.migration.inventory import ACTIVE, HOLD_LABEL, container_name, inspected
from dockcfgd.migration.kept_images import drop_kept_names, keep_changes, short
from dockcfgd.migration.kept_logs import NOTE, forget_logs, keep_logs, look_in_too, put_logs
from dockcfgd.migration.others import Others
from dockcfgd.migration.presence import find_container, start_wave
from dockcfgd.migration.recreate import Recreation, Setting, recreation
from dockcfgd.model.errors import EngineFailure, FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Progressing

__all__ = [
    "begin_anew",
    "bring_back",
    "describe",
    "drop_holders",
    "forget",
    "holders",
    "keep",
    "keep_again",
    "kept",
    "pending",
    "rename",
    "renamed",
]

_GOING = frozenset({"dead", "removing"})
_RECORD, _RECORD_BACK = "restored.json", "restored-back.json"
_RENAMED = "renamed.json"
_NOT_FOUND = 404
_AGAIN = "again"
_AT_A_TIME = 8
_PURPOSE, _ONCE_MORE = "running", "running-again"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A container's file."""

    inspect: Document
    image: str = ""
    before: str = ""

    @classmethod
    def from_json(cls, document: Document) -> _Kept:
        return cls(table(document, "inspect"), text(document, "image"), text(document, "before"))

    @property
    def id(self) -> str:
        return text(self.inspect, "Id")

    @property
    def newest(self) -> str:
        """The image that has the most of what it has written."""
        return self.image or self.before or text(self.inspect, "Image")

    def write(self, folder: str) -> None:
        document: Document = {"inspect": self.inspect, "image": self.image}
        document |= {"before": self.before} if self.before else {}
        write_document(folder, f"{short(self.inspect)}.json", document)


def keep(access: Access, *, folder: str) -> None:
    """Keep every `--rm` container that `folder` does not have yet, and the logs of all anew.

    Also one that has not run so far: an engine that starts removes those that do not run.
    """
    make_folder(folder)
    begun = {one.id: one for one in _contents(folder)}
    found = [one for one in inspected(access) if flag(one, "HostConfig", "AutoRemove")]
    for document in found:
        one = begun.get(text(document, "Id"), _Kept(document))
        if not one.image:
            _keep(access, one, folder=folder)
    _keep_logs(access, found, folder=folder)


def _keep(access: Access, one: _Kept, *, folder: str) -> None:
    # Described first: committing freezes it, and a crash would leave it looking as if paused.
    one.write(folder)
    _hold_volumes(access, one.inspect)
    # Under another name than before, so that the image of before keeps its own until all are gone.
    purpose = _ONCE_MORE if one.before else _PURPOSE
    image = keep_changes(access, one.inspect, purpose=purpose)
    replace(one, image=image).write(folder)


def keep_again(access: Access, *, folder: str, progress: Progressing) -> None:
    """Keep those that `folder` has, and that are there still, as they are now: each once.

    What was kept of one before counts until this is.
    """
    there = {text(document, "Id"): document for document in inspected(access)}
    found = [one for one in _contents(folder, again=False) if one.id in there]
    for count, one in enumerate(found):
        name = container_name(one.inspect)
        progress(item=name, done=count, total=len(found), unit="containers")
        if one.image and not one.before:
            again = _Kept(there[one.id], before=one.image)
            try:
                _keep(access, again, folder=folder)
            except EngineFailure:
                if find_container(access.containers, one.id) is not None:
                    raise
                one.write(folder)  # it ended meanwhile, and removed itself
    _keep_logs(access, (one.inspect for one in found), folder=folder)


def _keep_logs(access: Access, documents: Iterable[Document], *, folder: str) -> None:
    # Last of all: what the engine has rotated away since has no second name.
    keep_logs(folder, access.facts().root, (text(document, "Id") for document in documents))


def describe(documents: Iterable[Document], *, folder: str) -> None:
    """Describe those of these containers that `folder` has as they are now.

    What it has of what they had written stays.
    """
    begun = {one.id: one for one in _contents(folder, again=False) if one.image}
    for document in documents:
        one = begun.get(text(document, "Id"))
        if one is not None and one.inspect != document:
            replace(one, inspect=document).write(folder)


def kept(folder: str, *, again: bool = True) -> list[tuple[Document, str]]:
    """Give the kept containers: the inspect document and the image that has the writable layer.

    Where keeping it was cut off before it was committed, that is what it was kept in before, else
    its own one. Without `again`, those of the first stop alone.
    """
    return [(one.inspect, one.newest) for one in _contents(folder, again=again)]


def _contents(folder: str, *, again: bool = True) -> list[_Kept]:
    paths = [*Path(folder).glob("*.json"), *(Path(folder, _AGAIN).glob("*.json") if again else ())]
    records = {_RECORD, _RECORD_BACK, _RENAMED, NOTE}
    names = [path.relative_to(folder) for path in sorted(paths) if path.name not in records]
    return [_Kept.from_json(read_document(folder, str(name))) for name in names]


def bring_back(
    access: Access, *, folder: str, api: str, to_old_storage: bool = False
) -> dict[str, str]:
    """Create and start what `keep` kept and is not there; give present IDs by the old ones.

    Started are many at a time, each after those it needs. EngineFailure where one does not start.

    `to_old_storage`: on the way back to a storage which has nothing of what was made, and kept
    again, on the new one; there it is brought back as it was at first.

    A container of that name that somebody else made meanwhile, as a service of systemd does, is
    taken for it. Doing it again goes on where it ended.
    """
    contents = kept(folder, again=not to_old_storage)
    images = {text(document, "Id"): image for document, image in contents}
    record = _RECORD_BACK if to_old_storage else _RECORD
    done = _restored(folder, record)
    empty = empty_volumes(access) if contents else frozenset()
    left = [one for one in in_order([one for one, _ in contents]) if text(one, "Id") not in done]
    root = access.facts().root
    look_in_too(folder, root)
    made: dict[str, str] = {}
    # One that a crash left half made was kept as that too, beside what it had been before.
    ran: dict[str, str] = {}

    def make(known: dict[str, str], document: Document) -> str:
        image = _image_here(access, images[text(document, "Id")], folder=folder)
        setting = Setting(image, api, api, empty_volumes=empty)
        present = _present(access, document, known)
        if present is None:
            present = _create(access, document, setting, known)
            put_logs(folder, root, before=text(document, "Id"), now=present)
        return present

    def note(document: Document, now: str) -> None:
        made[text(document, "Id")] = now
        if ran.get(now) not in ACTIVE:
            ran[now] = text(document, "State", "Status")

    for wave in create_waves(left):
        at_once(partial(make, done | made), wave, most=_AT_A_TIME, done=note)
    for wave in start_waves(left):
        now = {text(one, "Id"): made[text(one, "Id")] for one in wave}
        refused = start_wave(access.containers, {one: ran[one] for one in now.values()})
        done |= {before: present for before, present in now.items() if present not in refused}
        write_document(folder, record, dict(done))
        if refused:
            raise next(iter(refused.values()))
    drop_holders(access)
    drop_kept_names(access.images)
    return done


def begin_anew(folder: str) -> None:
    """Forget which of the kept containers were brought back; `bring_back` makes all of them."""
    Path(folder, _RECORD).unlink(missing_ok=True)


def _image_here(access: Access, image: str, *, folder: str) -> str:
    """Give the ID that a kept image has on the storage in use: its own, or the one noted."""
    names = renamed(folder)
    if image not in names:
        return image
    try:
        access.images.inspect(image)
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise
        return names[image]
    return image


def rename(folder: str, images: Mapping[str, str]) -> None:
    """Note the IDs that images of kept containers have on the storage that comes, by the old."""
    if images or Path(folder, _RENAMED).exists():
        write_document(folder, _RENAMED, dict(images))


def renamed(folder: str) -> dict[str, str]:
    """Give what `rename` has noted."""
    return _noted(folder, _RENAMED)


def forget(folder: str) -> None:
    """Remove a folder of `keep`, which has what containers' environments hold, and the logs.

    It may be gone.
    """
    with contextlib.suppress(FileFailure):
        forget_logs(folder)
    shutil.rmtree(folder, ignore_errors=True)


def pending(folder: str) -> list[str]:
    """Give the names of the kept containers that were not brought back yet."""
    done = _restored(folder)
    documents = [document for document, _ in kept(folder)]
    return [container_name(one) for one in documents if text(one, "Id") not in done]


def holders(access: Access) -> list[Document]:
    """Give the containers that only hold volumes."""
    listed = access.containers.list()
    found = [text(one, "Id") for one in listed if HOLD_LABEL in table(one, "Labels")]
    return [access.containers.inspect(identity) for identity in found]


def drop_holders(access: Access) -> None:
    """Remove the containers that only hold volumes, and no volume."""
    for holder in holders(access):
        access.containers.remove(text(holder, "Id"))


def _holder(document: Document) -> str:
    return f"dockcfgd-hold-{short(document)}"


def _hold_volumes(access: Access, document: Document) -> None:
    volumes = [mount for mount in tables(document, "Mounts") if text(mount, "Type") == "volume"]
    if not volumes or find_container(access.containers, _holder(document)) is not None:
        return
    labels: Document = {HOLD_LABEL: text(document, "Id")}
    body: Document = {
        "Image": text(document, "Image"),
        "Entrypoint": ["/never-started"],
        "Labels": labels,
        "HostConfig": _same_mounts(document) | {"NetworkMode": "none"},
    }
    access.containers.create(_holder(document), body)


def _same_mounts(document: Document) -> Document:
    if _shares_mounts(document):
        return {"VolumesFrom": [text(document, "Id")]}
    binds: list[Json] = []
    in_memory: list[Json] = []
    for mount in tables(document, "Mounts"):
        place, source = text(mount, "Destination"), text(mount, "Name") or text(mount, "Source")
        if text(mount, "Type") == "tmpfs":
            in_memory.append({"Type": "tmpfs", "Target": place})
        else:
            binds.append(f"{source}:{place}")
    return {"Binds": binds, "Mounts": in_memory}


def _shares_mounts(document: Document) -> bool:
    """Whether another container can take its mounts.

    Engines look for the volume of a tmpfs mount then, and say that there is no such volume. Where
    that is so, unnamed volumes become named ones, and stay when the container ends.
    """
    return all(text(mount, "Type") != "tmpfs" for mount in tables(document, "Mounts"))


def _restored(folder: str, record: str = _RECORD) -> dict[str, str]:
    return _noted(folder, record)


def _noted(folder: str, record: str) -> dict[str, str]:
    if not Path(folder, record).exists():
        return {}
    return {key: str(value) for key, value in read_document(folder, record).items()}


def _present(access: Access, document: Document, done: dict[str, str]) -> str | None:
    found = find_container(access.containers, container_name(document))
    if found is None:
        return None
    identity, status = text(found, "Id"), text(found, "State", "Status")
    half_made = status == "created" and identity not in done.values()
    # What the engine did not come to an end with, as where it was stopped meanwhile, never starts.
    if status in _GOING or (half_made and identity != text(document, "Id")):
        access.containers.remove(identity)
        return None
    return identity


def _create(access: Access, document: Document, setting: Setting, done: dict[str, str]) -> str:
    plan = _plan(access, document, setting, done)
    created = access.containers.create(plan.name, plan.body)
    for connect in plan.connects:
        access.networks.connect(connect.network, connect.body(created))
    return created


def _plan(access: Access, document: Document, setting: Setting, done: dict[str, str]) -> Recreation:
    neighbours = list(inspected(access))
    now = {text(neighbour, "Id"): text(neighbour, "Id") for neighbour in neighbours} | done
    holder = find_container(access.containers, _holder(document))
    if holder is not None and _shares_mounts(document):
        neighbours.append(holder)
        now[text(holder, "Id")] = text(holder, "Id")
        sources: list[Json] = [
            container_name(holder),
            *texts(document, "HostConfig", "VolumesFrom"),
        ]
        host = table(document, "HostConfig") | {"VolumesFrom": sources}
        document = document | {"HostConfig": host}
    return recreation(document, Others([*neighbours, document], now), setting)
