"""Backups as a person reads them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import clock_time, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["list_text", "show_text", "size"]

_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_MAKERS = {"migration": "a migration", "schedule": "the schedule", "operator": "an operator"}


def size(count: int) -> str:
    """Give a number of bytes in few digits."""
    for unit, factor in _UNITS:
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def list_text(document: dict[str, Any]) -> str:
    """Give the answer of `backup list`."""
    backups: Sequence[dict[str, Any]] = document["backups"]
    if not backups:
        return "there are no backups: dockcfgctl backup create makes one"
    lines = [_row("BACKUP", "CREATED", "SIZE", "STORAGE", "ENGINE", "MADE BY")]
    for one in backups:
        if not one["complete"]:
            lines.append(_row(plain(one["id"]), "not complete", size(one["bytes"]), "-", "-", "-"))
            continue
        comment = f": {plain(one['comment'])}" if one.get("comment") else ""
        lines.append(
            _row(
                plain(one["id"]),
                clock_time(one["created"]),
                size(one["bytes"]),
                plain(one["storage"]),
                plain(one["engine"]),
                f"{_MAKERS.get(one['origin'], plain(one['origin']))}{comment}",
            )
        )
    return "\n".join(lines)


def show_text(document: dict[str, Any]) -> str:
    """Give the answer of `backup show`."""
    return "\n".join(_shown(document))


def _shown(one: dict[str, Any]) -> Iterator[str]:
    maker = _MAKERS.get(one["origin"], plain(one["origin"]))
    by = f" ({plain(one['actor'])})" if one.get("actor") else ""
    yield f"{plain(one['id'])}, made by {maker}{by} {clock_time(one['created'])}"
    if one.get("comment"):
        yield f"  {plain(one['comment'])}"
    yield f"  engine {plain(one['engine'])}, {plain(one['storage'])}, {size(one['bytes'])}"
    if one["names"]:
        yield f"  only {', '.join(plain(name) for name in one['names'])}"
    for remark in one["remarks"]:
        yield f"  {plain(remark)}"
    yield from _block(
        "Containers", [line for entry in one["containers"] for line in _container(entry)]
    )
    yield from _block("Images", [_image(entry) for entry in one["images"]])
    yield from _block("Networks", [plain(name) for name in one["networks"]])
    yield from _block("Volumes", [_volume(entry) for entry in one["volumes"]])


def _block(label: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield label
        yield from (f"  {line}" for line in lines)


def _container(entry: dict[str, Any]) -> Iterator[str]:
    wrote = ", with what it has written" if entry["wrote"] else ""
    binds = ", ".join(plain(path) for path in entry["binds"])
    without = f"; not in the backup: {binds}" if binds else ""
    yield (
        f"{plain(entry['name'])} ({plain(entry['image'])}), {plain(entry['state'])}{wrote}{without}"
    )
    for line in entry["left_out"]:
        yield f"  without {plain(line)}"


def _image(entry: dict[str, Any]) -> str:
    names = ", ".join(plain(tag) for tag in entry["tags"]) or plain(entry["id"])
    return f"{names}, {size(entry['bytes'])}"


def _volume(entry: dict[str, Any]) -> str:
    content = f"content {size(entry['bytes'])}" if entry["content"] else "without its content"
    return f"{plain(entry['name'])}, {content}"


def _row(*cells: str) -> str:
    widths = (17, 19, 10, 14, 16)
    head = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
    return f"{head}  {cells[-1]}".rstrip()
