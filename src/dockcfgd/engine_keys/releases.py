"""Whether a release of the engine reads a key at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.finding import Code, KeyFinding, Severity, shown_path
from dockcfgd.engine_keys.key import FileRule, When
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from dockcfgd.engine_keys.key import Fatal, Key
    from dockcfgd.engine_keys.version import EngineVersion

__all__ = ["release_findings", "replacement_hint"]


def release_findings(
    key: Key, value: object, version: EngineVersion | None
) -> tuple[KeyFinding, ...]:
    """Give what this release makes of the key; at most one finding."""
    finding = _every_release(key) or _this_release(key, value, version) or _deprecated(key, version)
    return () if finding is None else (finding,)


def replacement_hint(key: Key) -> str:
    """Say what takes the key's place, empty if nothing does."""
    place, _, argument = key.replacement.partition(" ")
    if argument:
        return f"put {argument} into {place}"
    return f"use {place}" if place else ""


def _every_release(key: Key) -> KeyFinding | None:
    if key.file is FileRule.REJECTED:
        return _refuse(key, Code.REJECTED, "the engine refuses this key in daemon.json")
    if key.file is FileRule.IGNORED:
        return _refuse(key, Code.IGNORED, "the engine ignores this key in daemon.json")
    return None


def _this_release(key: Key, value: object, version: EngineVersion | None) -> KeyFinding | None:
    if version is None:
        return None
    if key.removed is not None and version >= key.removed:
        words = f"engine {key.removed.short} removed it, this one is {version}"
        return _refuse(key, Code.REMOVED, words)
    since = _since(key)
    if since is not None and version < since:
        words = f"it came with engine {since.short}, this one is {version}"
        return _refuse(key, Code.TOO_NEW, words)
    if key.ignored_from is not None and version >= key.ignored_from:
        words = f"from engine {key.ignored_from.short} on it does nothing, this one is {version}"
        return _refuse(key, Code.IGNORED, words)
    if any(_kills(fatal, value, version) for fatal in key.fatal):
        return _refuse(key, Code.FATAL, f"engine {version} does not start with it")
    return None


def _since(key: Key) -> EngineVersion | None:
    """Give the first release with the key, be it that of a table around it."""
    if key.since is not None:
        return key.since
    tables = table().tables
    names = (".".join(key.path[:length]) for length in range(1, len(key.path)))
    return next((tables[name].since for name in names if tables[name].since is not None), None)


def _kills(fatal: Fatal, value: object, version: EngineVersion) -> bool:
    if not fatal.window.holds(version):
        return False
    match fatal.when:
        case When.SET:
            return value not in ("", False) and value != {}
        case When.NON_ZERO:
            return value != 0


def _deprecated(key: Key, version: EngineVersion | None) -> KeyFinding | None:
    if key.deprecated is None or (version is not None and version < key.deprecated):
        return None
    return KeyFinding(
        key.path,
        Code.DEPRECATED,
        f"{shown_path(key.path)} is deprecated and will go",
        replacement_hint(key),
        Severity.WARNING,
    )


def _refuse(key: Key, code: Code, why: str) -> KeyFinding:
    hint = replacement_hint(key)
    return KeyFinding(key.path, code, f"cannot use {shown_path(key.path)}: {why}", hint)
