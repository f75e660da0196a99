"""Which containers must be there before which others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, table, tables, text, texts
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.others import Others

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["create_waves", "in_order", "mounted_volumes", "needed_by", "start_waves", "stop_waves"]

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_DEPENDS_ON = "com.docker.compose.depends_on"


def in_order(documents: Sequence[Document]) -> list[Document]:
    """Sort inspect documents so that each comes after those it needs, else as they come.

    Where containers need each other in a circle (links on a network of the user's may), the one
    that comes first stays first.
    """
    others = Others(documents, {})
    by_id = {text(document, "Id"): document for document in documents}
    needs = {key: list(needed_by(by_id[key], documents, others)) for key in by_id}
    placed: dict[str, Document] = {}
    for key in by_id:
        _place(key, needs, by_id, placed)
    return list(placed.values())


def create_waves(documents: Sequence[Document]) -> list[list[Document]]:
    """Sort inspect documents into waves that may be created together, each after what it needs.

    Those that have a volume in common come one after the other, as the engine fills one that is
    empty for whoever is first, and so do those of one name. In all this the order is `in_order`'s.
    """
    others = Others(documents, {})
    wave: dict[str, int] = {}
    next_with: dict[tuple[str, str], int] = {}
    waves: list[list[Document]] = []
    for document in in_order(documents):
        claims = {("name", container_name(document))}
        claims |= {("volume", name) for name in mounted_volumes(document)}
        needed = needed_by(document, documents, others)
        number = max(
            (
                *(wave[identity] + 1 for identity in needed if identity in wave),
                *(next_with.get(claim, 0) for claim in claims),
            )
        )
        wave[text(document, "Id")] = number
        next_with |= dict.fromkeys(claims, number + 1)
        if number == len(waves):
            waves.append([])
        waves[number].append(document)
    return waves


def stop_waves(documents: Sequence[Document]) -> list[list[Document]]:
    """Sort inspect documents into waves that may stop together, each before what it needs."""
    others = Others(documents, {})
    wave: dict[str, int] = {}
    ordered = list(reversed(in_order(documents)))
    for document in ordered:
        identity = text(document, "Id")
        mine = wave.setdefault(identity, 0)
        for needed in needed_by(document, documents, others):
            wave[needed] = max(wave.get(needed, 0), mine + 1)
    waves: dict[int, list[Document]] = {}
    for document in ordered:
        waves.setdefault(wave[text(document, "Id")], []).append(document)
    return [waves[number] for number in sorted(waves)]


def start_waves(documents: Sequence[Document]) -> list[list[Document]]:
    """Sort inspect documents into waves that may start together, each after what it needs.

    Those that have addresses of their own come before the others of their wave, which could be
    given these: an engine reserves an address for as long as its container runs.
    """
    waves = []
    for wave in reversed(stop_waves(documents)):
        parts: tuple[list[Document], list[Document]] = [], []
        for document in wave:
            parts[0 if _has_addresses(document) else 1].append(document)
        waves += [part for part in parts if part]
    return waves


def mounted_volumes(document: Document) -> frozenset[str]:
    """Give the names of the volumes that a container has."""
    mounts = tables(document, "Mounts")
    return frozenset(text(mount, "Name") for mount in mounts if text(mount, "Type") == "volume") - {
        ""
    }


def needed_by(document: Document, documents: Sequence[Document], others: Others) -> Iterator[str]:
    """Give the IDs of the containers that one needs, as far as they are known."""
    for token in _tokens(document):
        identity = others.before(token)
        if identity is not None and identity != text(document, "Id"):
            yield identity
    yield from _compose(document, documents)


def _place(
    key: str, needs: dict[str, list[str]], by_id: dict[str, Document], placed: dict[str, Document]
) -> None:
    """Place what `key` needs, then `key`; without recursion, as a chain may be long."""
    waiting = [(key, iter(needs[key]))]
    entered = {key}
    while waiting:
        current, rest = waiting[-1]
        following = next((need for need in rest if need not in entered), None)
        if following is not None and following not in placed:
            entered.add(following)
            waiting.append((following, iter(needs[following])))
        elif following is None:
            placed.setdefault(current, by_id[current])
            waiting.pop()


def _tokens(document: Document) -> Iterator[str]:
    host = table(document, "HostConfig")
    for key in ("NetworkMode", "IpcMode", "PidMode"):
        mode = text(host, key)
        if mode.startswith("container:"):
            yield mode.removeprefix("container:")
    for entry in [*texts(host, "VolumesFrom"), *texts(host, "Links")]:
        yield entry.partition(":")[0]
    for endpoint in table(document, "NetworkSettings", "Networks").values():
        if isinstance(endpoint, dict):
            yield from (link.partition(":")[0] for link in texts(endpoint, "Links"))


def _has_addresses(document: Document) -> bool:
    endpoints = table(document, "NetworkSettings", "Networks").values()
    asked = [table(one, "IPAMConfig") for one in endpoints if isinstance(one, dict)]
    return any(text(one, key) for one in asked for key in ("IPv4Address", "IPv6Address"))


def _compose(document: Document, documents: Sequence[Document]) -> Iterator[str]:
    labels = table(document, "Config", "Labels")
    services = {part.partition(":")[0] for part in text(labels, _DEPENDS_ON).split(",") if part}
    if not services:
        return
    for other in documents:
        theirs = table(other, "Config", "Labels")
        same = text(theirs, _PROJECT) == text(labels, _PROJECT)
        if same and text(theirs, _SERVICE) in services and other is not document:
            yield text(other, "Id")
