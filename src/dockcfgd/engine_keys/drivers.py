"""Whether the drivers that a value names exist in a release."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from dockcfgd.engine_keys import engines
from dockcfgd.engine_keys.finding import Code, KeyFinding, Severity, shown_path
from dockcfgd.engine_keys.version import EngineVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.engine_keys.key import Key

__all__ = ["driver_findings"]

_SNAPSHOTTERS = EngineVersion(24, 0)
_CGROUP_DRIVERS = ("cgroupfs", "systemd")


def driver_findings(
    key: Key, value: object, version: EngineVersion | None
) -> tuple[KeyFinding, ...]:
    """Give what is wrong with the names in `value`; nothing for keys that name no driver."""
    if key.name == "storage-driver" and isinstance(value, str):
        return tuple(_storage(key, value, version))
    if key.name == "log-driver" and isinstance(value, str):
        return tuple(_log(key, value, version))
    if key.name == "exec-opts" and isinstance(value, list):
        return tuple(finding for item in value for finding in _exec_option(key, item))
    return ()


def _storage(key: Key, name: str, version: EngineVersion | None) -> Iterator[KeyFinding]:
    known = engines.storage_drivers(version)
    if name in known or not name:
        return
    if name in engines.removed_storage_drivers(version):
        yield _refuse(key, Code.REMOVED, f"this engine no longer has {name}", "use overlay2")
    elif name in engines.snapshotters() and (version is None or version >= _SNAPSHOTTERS):
        return
    else:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        yield _refuse(key, Code.CHOICE, f"it must be one of {', '.join(known)}", hint)


def _log(key: Key, name: str, version: EngineVersion | None) -> Iterator[KeyFinding]:
    known = engines.log_drivers(version)
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    if name in known or not name:
        return
    if near:
        yield _refuse(key, Code.CHOICE, "no such log driver", f"did you mean {near[0]}?")
        return
    yield KeyFinding(
        key.path,
        Code.CHOICE,
        f"{shown_path(key.path)} is no log driver of the engine; it must be an installed plugin",
        f"the engine has {', '.join(known)}",
        Severity.WARNING,
    )


def _exec_option(key: Key, option: str) -> Iterator[KeyFinding]:
    name, equals, driver = option.partition("=")
    if not equals:
        return
    if name != "native.cgroupdriver":
        yield _refuse(key, Code.CHOICE, "there is no option but native.cgroupdriver")
    elif driver not in _CGROUP_DRIVERS:
        why = f"native.cgroupdriver must be one of {', '.join(_CGROUP_DRIVERS)}"
        yield _refuse(key, Code.CHOICE, why)


def _refuse(key: Key, code: Code, why: str, hint: str = "") -> KeyFinding:
    return KeyFinding(key.path, code, f"cannot use {shown_path(key.path)}: {why}", hint)
