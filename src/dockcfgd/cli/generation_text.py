"""One generation as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import clock_time, plain, printable, step_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines", "who"]

_FIRST = "what was there before dockcfgd first wrote"
_MOMENTS = {"failed": "when it failed", "degraded": "when going back failed too"}


def who(generation: dict[str, Any]) -> str:
    """Give who asked; `-` for files that were put in place."""
    actor, uid = plain(generation.get("actor") or ""), generation.get("uid")
    if not actor:
        return "-"
    return actor if uid in {None, 0} or str(uid) in actor else f"{actor} (uid {uid})"


def lines(document: dict[str, Any]) -> Iterator[str]:
    """Give the lines."""
    verdict, impact = document["verdict"] or "not tried", document["impact"]
    force = ", in force" if document["applied"] else ""
    kind = f" ({plain(impact)})" if impact else ""
    yield f"generation {document['generation']}: {plain(verdict)}{kind}{force}"
    origin = _FIRST if document["origin"] == "original" else ""
    by = f", by {who(document)}" if document["actor"] else ""
    facts = (
        ("created", f"{clock_time(document['created'])}{by}"),
        ("what", origin),
        ("comment", document["comment"]),
        ("reason", document["reason"]),
        ("digest", document["digest"]),
    )
    yield from (f"  {name:<9}{plain(value)}" for name, value in facts if value)
    for transaction in document["transactions"]:
        yield ""
        yield from _transaction(transaction)
    for file in document["files"]:
        yield ""
        yield from _file(file, file["name"])


def _transaction(document: dict[str, Any]) -> Iterator[str]:
    took = "" if document["seconds"] is None else f", {document['seconds']:.1f} s"
    verdict = plain(document["verdict"] or "under way")
    started = clock_time(document["started"])
    yield f"transaction {plain(document['transaction'])}: {verdict}, {started}{took}"
    if document["reason"]:
        yield f"  {plain(document['reason'])}"
    for step in document["steps"]:
        name = f"undo: {step['name']}" if step["direction"] == "back" else step["name"]
        yield f"  {step_line({**step, 'name': name})}"
        if step["state"] == "failed" and isinstance(step["outcome"], str):
            yield f"{'':<21}{plain(step['outcome'])}"
    done = len([step for step in document["steps"] if step["direction"] == "forward"])
    yield from (f"  {'not begun':<19}{plain(name)}" for name in document["plan"][done:])
    if document["irreversible"]:
        yield "  what its plan said cannot be undone:"
    yield from (f"    {plain(sentence)}" for sentence in document["irreversible"])
    for evidence in document["evidence"]:
        yield from _evidence(evidence)


def _evidence(document: dict[str, Any]) -> Iterator[str]:
    moment = _MOMENTS.get(document["moment"], document["moment"])
    when = f"{plain(moment)}, {clock_time(document['at'])}"
    yield (
        f"  the engine's journal {when}:"
        if document["engine"]
        else f"  no word of the engine {when}"
    )
    for line in document["engine"]:
        yield f"    {clock_time(line['at'])[11:]} {printable(line['text'])}"
    for file in document["files"]:
        yield from (f"  {line}" for line in _file(file, plain(moment)))


def _file(file: dict[str, Any], name: str) -> Iterator[str]:
    path = plain(file["path"] or name)
    if not file["present"]:
        yield f"{path} ({name}): not there"
        return
    owner = "" if file["uid"] is None else f", {file['uid']}:{file['gid']}, mode {file['mode']}"
    more = "".join(f", {plain(one)}" for one in file["attributes"])
    yield f"{path} ({name}): {file['bytes']} bytes, sha256 {file['sha256'][:12]}{owner}{more}"
    yield from (f"  | {printable(line)}".rstrip() for line in file["text"].splitlines())
