"""Each kind of place in /info: the value it shows, and whether that is the wanted one."""

from __future__ import annotations

import ipaddress
import os.path
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dockcfgd.engine_keys.registries import masked, mirror_urls, plain_registries

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json

__all__ = ["VIEWS", "View"]

_REMAPPED = re.compile(r"/\d+\.\d+$")
_STOCK_RUNTIME = re.compile(r"runc|io\.containerd\..*")

Shows: TypeAlias = "Callable[[Json], Json]"
Agrees: TypeAlias = "Callable[[object, Json], bool | None]"


@dataclass(frozen=True, slots=True)
class View:
    """How one kind of place is read.

    `shows` turns what stands in /info into a value as daemon.json has it, None where it says
    nothing. `agrees` compares a wanted value with that one; None where it cannot be told.
    """

    shows: Shows
    agrees: Agrees


def _same(wanted: object, shown: Json) -> bool | None:
    return wanted == shown


def _same_set(wanted: object, shown: Json) -> bool | None:
    if not isinstance(wanted, list) or not isinstance(shown, list):
        return None
    return set(map(str, wanted)) == set(map(str, shown))


def _as_it_is(value: Json) -> Json:
    return value


def _list(value: Json) -> Json:
    return value if isinstance(value, list) else []


def _option(name: str) -> View:
    """Read a switch that is one of the words of SecurityOptions."""

    def shows(value: Json) -> Json:
        return any(word == f"name={name}" for word in _words(value))

    def agrees(wanted: object, shown: Json) -> bool | None:
        return bool(wanted) == shown

    return View(shows, agrees)


def _words(value: Json) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _cgroupns(value: Json) -> Json:
    return "private" if "name=cgroupns" in _words(value) else "host"


def _seccomp(value: Json) -> Json:
    """Give the profile; the built-in one is called `default` by engines before 23.0."""
    for word in _words(value):
        name, _, profile = word.partition(",profile=")
        if name == "name=seccomp":
            return "builtin" if profile == "default" else profile
    return None


def _seccomp_agrees(wanted: object, shown: Json) -> bool | None:
    return (wanted or "builtin") == shown


def _data_root(value: Json) -> Json:
    return _REMAPPED.sub("", value) if isinstance(value, str) else None


def _data_root_agrees(wanted: object, shown: Json) -> bool | None:
    """Compare folders; the engine shows where links lead, so the wanted one must not hold any."""
    return isinstance(wanted, str) and os.path.normpath(wanted) == shown


def _address_agrees(wanted: object, shown: Json) -> bool | None:
    return wanted == shown if wanted else None


def _firewall(value: Json) -> Json:
    return value.partition("+")[0] if isinstance(value, str) else None


def _containerd_store(value: Json) -> Json:
    return isinstance(value, list) and ["driver-type", "io.containerd.snapshotter.v1"] in value


def _cgroup_driver(value: Json) -> Json:
    return [f"native.cgroupdriver={value}"] if isinstance(value, str) else None


def _cgroup_driver_agrees(wanted: object, shown: Json) -> bool | None:
    """Compare the last option given; without one the engine chooses by itself."""
    return wanted[-1:] == shown if isinstance(wanted, list) and wanted else None


def _init_binary_agrees(wanted: object, shown: Json) -> bool | None:
    return (wanted or "docker-init") == shown


def _proxy_agrees(wanted: object, shown: Json) -> bool | None:
    """Compare proxies; without one in the file the environment's may stand there.

    One that is no URL to the engine is shown with its secret.
    """
    return shown in (str(wanted), masked(str(wanted))) if wanted else None


def _no_proxy_agrees(wanted: object, shown: Json) -> bool | None:
    return wanted == shown if wanted else None


def _mirrors_agree(wanted: object, shown: Json) -> bool | None:
    if not isinstance(wanted, list) or not isinstance(shown, list):
        return None
    return mirror_urls(wanted) == mirror_urls(shown)


def _insecure(value: Json) -> Json:
    """Give the networks and the hosts; `docker.io` has an entry of its own and is left out."""
    if not isinstance(value, dict):
        return None
    indexes = value.get("IndexConfigs")
    hosts = indexes if isinstance(indexes, dict) else {}
    insecure = [
        name
        for name, index in hosts.items()
        if isinstance(index, dict) and index.get("Secure") is False
    ]
    return [*sorted(plain_registries([*_words(value.get("InsecureRegistryCIDRs")), *insecure]))]


def _insecure_agree(wanted: object, shown: Json) -> bool | None:
    if not isinstance(wanted, list) or not isinstance(shown, list):
        return None
    return plain_registries(wanted) == set(map(str, shown))


def _nondistributable(value: Json) -> Json:
    if not isinstance(value, dict) or "AllowNondistributableArtifactsCIDRs" not in value:
        return None
    networks = _words(value.get("AllowNondistributableArtifactsCIDRs"))
    return [*networks, *_words(value.get("AllowNondistributableArtifactsHostnames"))]


def _runtimes(value: Json) -> Json:
    """Give the runtimes beside those that every engine has."""
    if not isinstance(value, dict):
        return None
    return {
        name: {field: item for field, item in runtime.items() if field != "status"}
        for name, runtime in value.items()
        if isinstance(runtime, dict) and not _STOCK_RUNTIME.fullmatch(name)
    }


def _runtimes_agree(wanted: object, shown: Json) -> bool | None:
    """Compare those that are wanted: further ones may have been given by flag."""
    if not isinstance(wanted, Mapping) or not isinstance(shown, dict):
        return None
    return all(
        name in shown and _runtime_agrees(runtime, shown[name]) for name, runtime in wanted.items()
    )


def _runtime_agrees(wanted: object, shown: Json) -> bool:
    """Compare programs; of a runtime with a type /info shows no more than the name."""
    if not isinstance(wanted, Mapping) or not isinstance(shown, dict):
        return False
    path, arguments = wanted.get("path", ""), wanted.get("runtimeArgs", [])
    return bool(path == shown.get("path", "") and arguments == shown.get("runtimeArgs", []))


def _resources(value: Json) -> Json:
    found: list[Json] = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            specs = (spec for spec in item.values() if isinstance(spec, dict))
            found += [f"{spec['Kind']}={spec['Value']}" for spec in specs]
    return found


def _resources_agree(wanted: object, shown: Json) -> bool | None:
    if not isinstance(wanted, list) or not isinstance(shown, list):
        return None
    return {part for item in wanted for part in str(item).split(",")} == set(map(str, shown))


def _pools(value: Json) -> Json:
    pools = value if isinstance(value, list) else []
    return [
        {"base": pool["Base"], "size": pool["Size"]} for pool in pools if isinstance(pool, dict)
    ]


def _pools_agree(wanted: object, shown: Json) -> bool | None:
    """Compare pools; from 27.0 on the engine writes an IPv6 base in its shortest form."""
    if not isinstance(wanted, list) or not isinstance(shown, list):
        return None
    return [*map(_plain_pool, wanted)] == [*map(_plain_pool, shown)]


def _plain_pool(pool: object) -> object:
    if not isinstance(pool, Mapping):
        return pool
    base = str(pool.get("base"))
    try:
        return {**pool, "base": str(ipaddress.ip_interface(base))}
    except ValueError:
        return pool


def _folders_agree(wanted: object, shown: Json) -> bool | None:
    """Compare folders; an empty list is also what an engine with CDI switched off shows."""
    if not isinstance(wanted, list) or (wanted and wanted != [""] and not shown):
        return None
    return [folder for folder in wanted if folder] == shown if wanted else None


def _filled(value: Json) -> Json:
    return bool(value)


def _cdi_agrees(wanted: object, shown: Json) -> bool | None:
    """Compare switches; no folders may also mean that there is none to look into."""
    return None if wanted is True and shown is False else wanted == shown


VIEWS: Mapping[str, View] = {
    "address": View(_as_it_is, _address_agrees),
    "cdi": View(_filled, _cdi_agrees),
    "cdi-dirs": View(_list, _folders_agree),
    "cgroup-driver": View(_cgroup_driver, _cgroup_driver_agrees),
    "cgroupns": View(_cgroupns, _same),
    "containerd-store": View(_containerd_store, _same),
    "data-root": View(_data_root, _data_root_agrees),
    "equal": View(_as_it_is, _same),
    "firewall": View(_firewall, _same),
    "generic-resources": View(_resources, _resources_agree),
    "init-binary": View(_as_it_is, _init_binary_agrees),
    "insecure-registries": View(_insecure, _insecure_agree),
    "mirrors": View(_list, _mirrors_agree),
    "no-new-privileges": _option("no-new-privileges"),
    "no-proxy": View(_as_it_is, _no_proxy_agrees),
    "nondistributable": View(_nondistributable, _same_set),
    "pools": View(_pools, _pools_agree),
    "proxy": View(_as_it_is, _proxy_agrees),
    "rootless": _option("rootless"),
    "runtimes": View(_runtimes, _runtimes_agree),
    "seccomp": View(_seccomp, _seccomp_agrees),
    "selinux": _option("selinux"),
    "set": View(_list, _same_set),
    "userns": _option("userns"),
}
