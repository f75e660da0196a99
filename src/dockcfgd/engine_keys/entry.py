"""From an entry of `keys.json` to a `Key`; a malformed entry is a KeyError or ValueError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from dockcfgd.engine_keys.key import (
    Fatal,
    FileRule,
    InfoProbe,
    Key,
    NoDefault,
    Shape,
    TableKey,
    Unset,
    When,
)
from dockcfgd.engine_keys.version import EngineVersion, Window
from dockcfgd.model.impact import Impact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json

__all__ = ["read_flag_spellings", "read_key", "read_table_key", "read_window"]

Entry: TypeAlias = "Mapping[str, Any]"


def read_key(entry: Entry) -> Key:
    """Give the key that `entry` describes."""
    return Key(
        name=entry["name"],
        group=entry["group"],
        shape=Shape(entry["type"]),
        summary=entry["summary"],
        trap=entry.get("trap", ""),
        default=_default(entry["default"]),
        default_text=entry.get("default-text", ""),
        example=_default(entry.get("example")),
        older_defaults=_older_defaults(entry),
        default_by_cgroup={
            int(cg): mode for cg, mode in entry.get("default-by-cgroup", {}).items()
        },
        choices=tuple(entry.get("enum", ())),
        form=entry.get("format", ""),
        minimum=entry.get("minimum"),
        maximum=entry.get("maximum"),
        fields=entry.get("fields", {}),
        required_fields=tuple(entry.get("required-fields", ())),
        fields_since=_versions(entry.get("field-since", {})),
        flags=tuple(entry.get("flags", ())),
        environment=entry.get("env", ""),
        since=_version(entry, "since"),
        removed=_version(entry, "removed"),
        deprecated=_version(entry, "deprecated"),
        ignored_from=_version(entry, "ignored-from"),
        replacement=entry.get("replacement", ""),
        file=FileRule(entry.get("file", "read")),
        impact=Impact.parse(entry["impact"]),
        reload_window=read_window(entry, since="reload-since", before="reload-before"),
        unset=Unset(entry["unset"]),
        event=_proof(entry).get("event", ""),
        info=_info(entry),
        storage=entry.get("storage", False),
        bridgeable=entry["bridge"],
        zero_is_default=read_window(entry["zero"]) if "zero" in entry else None,
        fatal=tuple(
            Fatal(read_window(item), When(item["when"])) for item in entry.get("fatal", ())
        ),
        reload_watch=entry.get("reload-watch", 0),
        applies=entry.get("applies", ""),
        secret=entry.get("secret", False),
    )


def read_table_key(name: str, entry: Entry) -> TableKey:
    """Give the table called `name`."""
    return TableKey(name=name, summary=entry["summary"], since=_version(entry, "since"))


def read_flag_spellings(entry: Mapping[str, str | None]) -> Mapping[str, str]:
    """Give flag spelling to file spelling, empty where the file has none."""
    return {flag: name or "" for flag, name in entry.items()}


def read_window(entry: Entry, *, since: str = "since", before: str = "before") -> Window:
    """Give the releases between the two members of `entry`, each of which may be missing."""
    return Window(_version(entry, since), _version(entry, before))


def _version(entry: Entry, member: str) -> EngineVersion | None:
    text = entry.get(member)
    return None if text is None else EngineVersion.parse(text)


def _versions(entry: Mapping[str, str]) -> Mapping[str, EngineVersion]:
    return {name: EngineVersion.parse(text) for name, text in entry.items()}


def _default(value: Json) -> Json | NoDefault:
    return NoDefault.NO_DEFAULT if value is None else value


def _older_defaults(entry: Entry) -> tuple[tuple[EngineVersion, Json], ...]:
    return tuple(
        (EngineVersion.parse(item["before"]), item["value"]) for item in entry.get("defaults", ())
    )


def _proof(entry: Entry) -> Mapping[str, Any]:
    proof: Mapping[str, Any] | str = entry["proof"]
    return {} if isinstance(proof, str) else proof


def _info(entry: Entry) -> InfoProbe | None:
    probe = _proof(entry).get("info")
    return None if probe is None else InfoProbe(path=probe["path"], compare=probe["compare"])
