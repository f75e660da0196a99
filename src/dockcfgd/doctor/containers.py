"""Containers that keep a setting which a new one would no longer get, and logs without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import fine, note, unseen, warning
from dockcfgd.engine_keys.sizes import read_size
from dockcfgd.model.amounts import some

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockcfgd.doctor.case import Case, Created
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.model.desired import Json

__all__ = ["CHECKS", "CONTAINERS"]

CONTAINERS = "containers"
"""What was not looked at where the engine says nothing of one of them."""

_MOST_NAMES = 6
_ENDLESS = "json-file"
# What a container keeps, by the key that gives it to new ones, where the key is set at all.
_KEPT = {
    "default-shm-size": "ShmSize",
    "default-ipc-mode": "IpcMode",
    "default-cgroupns-mode": "CgroupnsMode",
}


def differing(case: Case) -> Iterator[Finding]:
    """Find containers with other settings than a new one would get."""
    if case.engine is None:
        return
    if CONTAINERS in case.unread:
        what = "the engine lists its containers and is silent when it is asked about one"
        remedy = "journalctl -u docker.service -n 50; a restart of docker is the usual way out"
        yield warning(what, case.unread[CONTAINERS], remedy)
        return
    if case.created is None:
        why = "the engine did not tell of each container"
        yield unseen("containers that keep old settings", why, root=case.root)
        return
    found = [*_differing(case, case.created)]
    yield from found
    if not found and case.created:
        yield fine("every container has the settings that a new one would get")


def _differing(case: Case, created: Sequence[Created]) -> Iterator[Finding]:
    engine = case.engine
    if engine is None:
        return
    driver = engine.text("LoggingDriver")
    wanted: dict[str, Json] = {
        "log-driver": driver,
        "default-runtime": engine.text("DefaultRuntime"),
    }
    wanted |= {key: case.settings[key] for key in _KEPT if case.settings.get(key)}
    options = case.settings.get("log-opts")
    for key, value in wanted.items():
        others: dict[str, list[str]] = {}
        for one in created:
            has = _setting(key, one.settings)
            if has is not None and value and _same(key, has) != _same(key, value):
                others.setdefault(str(has), []).append(one.name)
        for has, names in others.items():
            yield _keeps(key, has, str(value), names)
    if isinstance(options, dict):
        yield from _options(driver, options, created)


def _setting(key: str, settings: Mapping[str, Json]) -> Json:
    if key == "log-driver":
        return _log(settings).get("Type")
    return settings.get("Runtime" if key == "default-runtime" else _KEPT[key]) or None


def _same(key: str, value: Json) -> Json:
    if key != "default-shm-size":
        return value
    try:
        return read_size(str(value))
    except ValueError:
        return value


def _options(
    driver: str, options: Mapping[str, Json], created: Sequence[Created]
) -> Iterator[Finding]:
    """Compare the options of containers with the default driver; those of others are others."""
    wanted = {name: str(value) for name, value in options.items()}
    names = [
        one.name
        for one in created
        if _log(one.settings).get("Type") == driver and _log_options(one.settings) != wanted
    ]
    if names:
        shown = ", ".join(
            f"{name}={value}" for name, value in sorted(wanted.items()) if _plain(name)
        )
        yield _keeps("log-opts", "others", shown or "those in force", names)


def _plain(name: str) -> bool:
    return name.startswith("max-") or name in {"mode", "compress", "tag"}


def _keeps(key: str, has: str, new: str, names: list[str]) -> Finding:
    keeping = f"{some(len(names), 'container')} with {key} {has}"
    what = f"{keeping}, a new one gets {new}: {_listed(names)}"
    why = "a container keeps what it was created with; restarts change nothing"
    return note(what, why, "create them anew (docker compose up --force-recreate), if they should")


def _listed(names: list[str]) -> str:
    shown = sorted(names)[:_MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def endless_logs(case: Case) -> Iterator[Finding]:
    """Find running containers whose log file grows without an end."""
    names = [
        one.name
        for one in case.created or ()
        if one.active
        and _log(one.settings).get("Type") == _ENDLESS
        and "max-size" not in _log_options(one.settings)
    ]
    if names:
        what = f"{some(len(names), 'log')} without an end: {_listed(names)}"
        why = "json-file without max-size fills the disk in time"
        options = 'log-opts = { max-size = "10m", max-file = "3" }'
        remedy = f'log-driver = "local", or {options}, in [engine]; then create them anew'
        yield warning(what, why, remedy)


def _log(settings: Mapping[str, Json]) -> Mapping[str, Json]:
    config = settings.get("LogConfig")
    return config if isinstance(config, dict) else {}


def _log_options(settings: Mapping[str, Json]) -> dict[str, str]:
    options = _log(settings).get("Config")
    return (
        {name: str(value) for name, value in options.items()} if isinstance(options, dict) else {}
    )


CHECKS = (differing, endless_logs)
