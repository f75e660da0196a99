"""Whether a container that was created again is what it was: the differences that may not be. Pure.

These may differ, and only these:

    Id, Created, RestartCount, ExecIDs, State but what it does (exited and created are one),
    paths that contain the ID, Driver, GraphDriver and sizes
    Image and Config.Image, where the writable layer was committed or a name means another image now
    the place of a volume on the host
    the name of an unnamed volume in HostConfig (Binds, Mounts), `nocopy` of a volume there, and an
    entry of VolumesFrom that says from whom a `--rm` container took it
    a restart policy without a name, which is `no`
    the hostname in the configuration, where the container has that of another namespace
    a list or an object of Config and HostConfig that is null or empty, but for command and entry
    point
    what the engine gives at each start: addresses that were not asked for, IDs of sandbox and
    endpoint, ephemeral ports, the short ID among the aliases, and DNS names, which are put together
    from name, hostname and aliases

Of one that an engine made anew, which may be another one than made it first, these may too:

    what said nothing before and is filled in (CgroupnsMode of a container from before 20.10), but
    for command and entry point
    a limit that the kernel's control groups do not have any more, and none
    `default` as the network, which is `bridge`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, table, tables, telling, text, texts
from dockcfgd.model.desired import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


__all__ = ["differences", "differences_of_releases", "losses"]

_SHORT = 12
_TOP = frozenset(
    {
        "Id", "Created", "RestartCount", "ExecIDs", "State", "Image", "ResolvConfPath",
        "HostnamePath", "HostsPath", "LogPath", "Driver", "GraphDriver", "Storage", "SizeRw",
        "SizeRootFs", "MountLabel", "ProcessLabel", "ImageManifestDescriptor", "NetworkSettings",
        "Mounts", "Config", "HostConfig",
    }
)  # fmt: skip
_ENDPOINT = ("IPAMConfig", "Links", "DriverOpts", "GwPriority")
# A command or entry point that is null is the image's.
_TOLD_APART = frozenset({"Config.Entrypoint", "Config.Cmd"})
_NOTHING: tuple[Json, ...] = (None, [], {})
# The engine warns, and drops them where the kernel has no such thing (moby, daemon_unix.go).
_OF_THE_KERNEL = frozenset(
    {
        "BlkioWeight", "CpuRealtimePeriod", "CpuRealtimeRuntime", "KernelMemory", "KernelMemoryTCP",
        "MemoryReservation", "MemorySwap", "MemorySwappiness", "OomKillDisable", "PidsLimit",
    }
)  # fmt: skip
_NO_LIMIT = (0, -1)
# Not an empty list: MaskedPaths has none where the paths are to be seen.
_UNSAID = ("", 0)
_HELD_BY = "dockcfgd-hold-"


def differences(before: Document, after: Document, *, now: Mapping[str, str]) -> list[str]:
    """Give what differs and may not, as `where: before -> after`.

    `now` has the present IDs of all containers by their IDs from before.
    """
    return list(_found(before, after, _comparable(before, now), _comparable(after, _same(now))))


def losses(before: Document, after: Document, *, now: Mapping[str, str]) -> list[str]:
    """Give what a container lost, or has otherwise, that was made anew; else as `differences`."""
    first, second = _comparable(before, now), _comparable(after, _same(now))
    return list(_found(before, after, first, second, may=_may_be_made_so))


def differences_of_releases(
    before: Document, after: Document, *, now: Mapping[str, str]
) -> list[str]:
    """Give what `differences` gives, for documents of two releases of the engine.

    What only one of them shows counts only where it says something.
    """
    first, second = _of_any_release(before, now), _of_any_release(after, _same(now))
    return list(_found(before, after, first, second))


def _found(
    before: Document,
    after: Document,
    first: Document,
    second: Document,
    *,
    may: Callable[[str, Json, Json], bool] = lambda *_: False,
) -> Iterator[str]:
    if text(before, "Image") == text(after, "Image"):
        named = texts({"names": [text(after, "Config", "Image"), text(after, "Image")]}, "names")
        if text(before, "Config", "Image") not in named and named[0] != named[1]:
            yield f"Config.Image: {text(before, 'Config', 'Image')} -> {named[0]}"
            return
    for where, one, other in _differing("", first, second):
        if not may(where, one, other):
            yield f"{where}: {one!r} -> {other!r}"


def _may_be_made_so(where: str, before: Json, after: Json) -> bool:
    """Whether an engine that makes a container anew gives it that by itself."""
    if where in _TOLD_APART:
        return False
    if where == "HostConfig.NetworkMode":
        return (before, after) == ("default", "bridge")
    part, _, name = where.partition(".")
    if part not in {"Config", "HostConfig"}:
        return False
    filled_in = before is None or (before in _UNSAID and before is not False)
    dropped = name in _OF_THE_KERNEL and (after is None or after in _NO_LIMIT)
    return filled_in or dropped


def _of_any_release(document: Document, now: Mapping[str, str]) -> Document:
    comparable = _comparable(document, now)
    networks = table(comparable, "Networks")
    host = table(comparable, "HostConfig")
    if host.get("NetworkMode") == "default":
        # Engines from 26 on show what it means.
        host["NetworkMode"] = "bridge"
    kept: Document = {
        key: telling(value) if isinstance(value, dict) else value
        for key, value in comparable.items()
    }
    kept["Networks"] = {name: telling(table(networks, name)) for name in networks}
    return kept


def _comparable(document: Document, now: Mapping[str, str]) -> Document:
    kept: Document = {key: value for key, value in document.items() if key not in _TOP}
    kept["State"] = _state(document)
    kept["Config"] = _config(document)
    kept["HostConfig"] = _host_config(document, now)
    kept["Mounts"] = {text(mount, "Destination"): _mount(mount) for mount in _mounts(document)}
    networks = table(document, "NetworkSettings", "Networks")
    kept["Networks"] = {
        name: _endpoint(document, endpoint, now)
        for name, endpoint in networks.items()
        if isinstance(endpoint, dict)
    }
    return kept


def _state(document: Document) -> Json:
    status = text(document, "State", "Status")
    return "exited" if status == "created" else status


def _config(document: Document) -> Document:
    config = dict(table(document, "Config"))
    del config["Image"]
    shared = text(document, "HostConfig", "NetworkMode").startswith("container:")
    if shared or text(document, "HostConfig", "UTSMode") == "host":
        config.pop("Hostname", None)
    if "MacAddress" in config:
        config["MacAddress"] = config["MacAddress"] or ""
    return config


def _host_config(document: Document, now: Mapping[str, str]) -> Document:
    host = dict(table(document, "HostConfig"))
    for key, value in host.items():
        if isinstance(value, str) and value.startswith("container:"):
            token = value.removeprefix("container:")
            host[key] = f"container:{_called(token, now)}"
    unnamed = _unnamed(document)
    host["Binds"] = list[Json](
        sorted(_plain(bind) for bind in texts(host, "Binds") if _source(bind) not in unnamed)
    )
    host["Mounts"] = [_asked_mount(mount, unnamed) for mount in tables(host, "Mounts")]
    host["VolumesFrom"] = [
        _called_now(entry, now)
        for entry in texts(host, "VolumesFrom")
        if not entry.startswith(_HELD_BY)
    ]
    host["OomKillDisable"] = host.get("OomKillDisable") or False
    policy = table(host, "RestartPolicy")
    host["RestartPolicy"] = policy | {"Name": text(policy, "Name") or "no"}
    host["Links"] = list[Json](sorted(_called_now(link, now) for link in texts(host, "Links")))
    return host


def _called_now(entry: str, now: Mapping[str, str]) -> str:
    token, colon, rest = entry.partition(":")
    return f"{_called(token, now)}{colon}{rest}"


def _called(token: str, now: Mapping[str, str]) -> str:
    """Give the whole present ID of the container that an ID from before, or its short form, names.

    What is shorter than that may as well be a name.
    """
    found = [present for before, present in now.items() if before.startswith(token)]
    return found[0] if len(token) >= _SHORT and len(found) == 1 else token


def _same(now: Mapping[str, str]) -> dict[str, str]:
    """Give the present IDs by themselves."""
    return {present: present for present in now.values()}


def _unnamed(document: Document) -> set[str]:
    return {text(mount, "Name") for mount in _mounts(document) if _is_hash(text(mount, "Name"))}


def _is_hash(name: str) -> bool:
    return len(name) == 64 and not set(name) - set("0123456789abcdef")  # noqa: PLR2004 -- SHA-256


def _source(bind: str) -> str:
    return bind.partition(":")[0]


def _plain(bind: str) -> str:
    source, place, *options = bind.split(":")
    # `z` is what the engine chooses for a volume of which nothing is asked.
    dropped = {""} if source.startswith("/") else {"", "nocopy", "z"}
    left = [option for option in ",".join(options).split(",") if option not in dropped]
    return ":".join([source, place, *([",".join(left)] if left else [])])


def _asked_mount(mount: Document, unnamed: set[str]) -> Document:
    options = dict(table(mount, "VolumeOptions"))
    options.pop("NoCopy", None)
    source = text(mount, "Source")
    return mount | {"Source": "" if source in unnamed else source, "VolumeOptions": options}


def _mounts(document: Document) -> list[Document]:
    return tables(document, "Mounts")


def _mount(mount: Document) -> Document:
    options = sorted({option for option in text(mount, "Mode").split(",") if option} - {"nocopy"})
    place = {"Source": ""} if text(mount, "Type") == "volume" else {}
    return mount | {"Mode": ",".join(options)} | place


def _endpoint(document: Document, endpoint: Document, now: Mapping[str, str]) -> Document:
    kept: Document = {key: endpoint.get(key) or None for key in _ENDPOINT}
    engines = {text(document, "Id")[:_SHORT], text(document, "Config", "Hostname")}
    kept["Aliases"] = list[Json](sorted(set(texts(endpoint, "Aliases")) - engines))
    kept["Links"] = [_called_now(link, now) for link in texts(endpoint, "Links")]
    return kept


def _differing(where: str, before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            inner = f"{where}.{key}" if where else key
            yield from _differing(inner, before.get(key), after.get(key))
    elif before != after and not _nothing_of(where, before, after):
        yield where, before, after


def _nothing_of(where: str, before: Json, after: Json) -> bool:
    """Whether both say nothing: what a client left out, the engine fills in when it loads it."""
    settings = where.startswith(("HostConfig.", "Config.")) and where not in _TOLD_APART
    return settings and before in _NOTHING and after in _NOTHING
