"""What differs between the managed files at two times: a document, and its lines."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.secrets import DIFFERS, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.chronicle import KeptFile, Side

__all__ = ["changed_lines", "changes"]

_NO_END = "\\ No newline at end of file"


def changes(before: Side, after: Side) -> dict[str, Any]:
    """Give the document: files that are the same in content and owner are left out.

    Secrets are left out of texts; a line that differs in one is marked.
    """
    known = before.secrets | after.secrets
    views = [
        _view(name, file, after.files[name], known)
        for name, file in before.files.items()
        if name in after.files
    ]
    return {
        "schema": 1,
        "from": before.name,
        "to": after.name,
        "files": [view for view in views if view["diff"] or view["owner"]],
    }


def changed_lines(document: dict[str, Any]) -> Iterator[str]:
    """Give the lines of a document of `changes` as a unified diff has them."""
    for view in document["files"]:
        if view["owner"]:
            yield f"owner {view['path']}"
            yield f"-{view['owner']['before']}"
            yield f"+{view['owner']['after']}"
        yield from view["diff"]


def _view(name: str, one: KeptFile, other: KeptFile, known: frozenset[str]) -> dict[str, Any]:
    path = other.path or one.path or name
    before, after = _text(one), _text(other)
    shown_after = _shown(after, before, known)
    shown_before = _shown(before, "", known)
    old, new = one.path or path, path
    was = "/dev/null" if one.content is None else f"a{old}"
    now = "/dev/null" if other.content is None else f"b{new}"
    lines = unified_diff(_lines(shown_before), _lines(shown_after), was, now, lineterm="")
    there = one.content is not None and other.content is not None
    known_owners = one.owned is not None and other.owned is not None
    differs = there and known_owners and one.owned != other.owned
    return {
        "name": name,
        "path": path,
        "before": None if one.content is None else shown_before,
        "after": None if other.content is None else shown_after,
        "owner": {"before": _owner(one), "after": _owner(other)} if differs else None,
        "diff": list(lines),
    }


def _text(file: KeptFile) -> str:
    return (file.content or b"").decode(errors="replace")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines, _NO_END]


def _shown(text: str, other: str, known: frozenset[str]) -> str:
    """Give a text as it may be shown; where a line differs in a secret alone, it says so."""
    lines = text.split("\n")
    shown = redact_text(text, known).split("\n")
    if len(shown) != len(lines):
        return "\n".join(shown)  # a secret over several lines
    there, looks = set(other.split("\n")), set(redact_text(other, known).split("\n"))
    return "\n".join(
        f"{seen}{DIFFERS}" if seen in looks and line not in there and other else seen
        for line, seen in zip(lines, shown, strict=True)
    )


def _owner(file: KeptFile) -> str:
    owned = file.owned
    if owned is None:
        return "not known"
    names = "".join(f", {one.name}" for one in owned.attributes)
    return f"{owned.uid}:{owned.gid}, mode {owned.mode:04o}{names}"
