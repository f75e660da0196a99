"""What works before a change, and whether it works after it: no effects, only the verdict.

A container is looked at by its name and a port by the container's own number: both stay where the
engine makes a container anew or gives it another port of the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.probes import PublishedPort

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dockcfgd.model.desired import Json
    from dockcfgd.model.probes import Endpoint

__all__ = [
    "check_seconds",
    "commands_of",
    "endpoints_of",
    "healthy",
    "not_known_yet",
    "note",
    "published_ports",
    "silent",
    "unhealthy",
    "wanted",
]

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 -- looked for, not bound
_NANO = 1_000_000_000
_DEFAULT_INTERVAL = 30.0


def note(
    *, healthy: Mapping[str, float], ports: Sequence[PublishedPort], commands: Sequence[str]
) -> dict[str, Json]:
    """Give what works as the journal keeps it.

    `healthy` has the seconds from a container's start to the first check of its health.
    """
    return {
        "healthy": dict(healthy),
        "ports": [
            {"container": one.container, "port": one.port, "place": one.place} for one in ports
        ],
        "commands": list(commands),
    }


# -- health --------------------------------------------------------------------------------


def healthy(listed: Sequence[dict[str, Json]]) -> tuple[str, ...]:
    """Name the containers that the engine lists as healthy."""
    return tuple(name for name, one in _running(listed) if _health(one) == "healthy")


def check_seconds(document: Mapping[str, Json]) -> float:
    """Give how long after its start a container's health is first checked, from its inspect."""
    config = document.get("Config")
    check = config.get("Healthcheck") if isinstance(config, dict) else None
    if not isinstance(check, dict):
        return _DEFAULT_INTERVAL
    value = check.get("Interval")
    return value / _NANO if isinstance(value, int) and value > 0 else _DEFAULT_INTERVAL


def unhealthy(noted: Json, listed: Sequence[dict[str, Json]], *, timeout: float) -> list[str]:
    """Say which containers that were healthy run and are not.

    One whose first check comes later than `timeout` may still be starting.
    """
    return [
        f"{name} was healthy before and is {state}"
        for name, state in _no_longer_healthy(noted, listed, timeout)
        if state != _LATER
    ]


def not_known_yet(noted: Json, listed: Sequence[dict[str, Json]], *, timeout: float) -> list[str]:
    """Name the containers that were healthy and whose check is too seldom to know by `timeout`."""
    return [name for name, state in _no_longer_healthy(noted, listed, timeout) if state == _LATER]


_LATER = "starting, and checked later"


def _no_longer_healthy(
    noted: Json, listed: Sequence[dict[str, Json]], timeout: float
) -> Iterator[tuple[str, str]]:
    before = _part(noted, "healthy")
    for name, one in _running(listed):
        if not isinstance(before, dict) or name not in before:
            continue
        state, needs = _health(one), before[name]
        if state == "starting" and isinstance(needs, int | float) and needs >= timeout:
            yield name, _LATER
        elif state != "healthy":
            yield name, state or "not checked any more"


def _health(listed: Mapping[str, Json]) -> str:
    """Give the engine's word on a container's health, as `docker ps` has it; empty without one."""
    status = str(listed.get("Status", ""))
    words = {"(healthy)": "healthy", "(unhealthy)": "unhealthy", "(health: starting)": "starting"}
    return next((word for end, word in words.items() if status.endswith(end)), "")


# -- ports ---------------------------------------------------------------------------------


def published_ports(listed: Sequence[dict[str, Json]]) -> tuple[PublishedPort, ...]:
    """Give the TCP ports that running containers publish.

    One that is published on all addresses is tried on loopback, IPv4 and IPv6 being one place.
    """
    found: dict[tuple[str, int, str], list[Endpoint]] = {}
    for name, one in _running(listed):
        bindings = one.get("Ports")
        for binding in bindings if isinstance(bindings, list) else ():
            if not isinstance(binding, dict) or binding.get("Type") != "tcp":
                continue
            inside, outside = binding.get("PrivatePort"), binding.get("PublicPort")
            if not isinstance(inside, int) or not isinstance(outside, int) or not outside:
                continue
            address = str(binding.get("IP") or "")
            endpoint = (_ANYWHERE.get(address, address), outside)
            endpoints = found.setdefault((name, inside, _place(address, outside)), [])
            if endpoint not in endpoints:
                endpoints.append(endpoint)
    return tuple(
        PublishedPort(container, port, place, tuple(endpoints))
        for (container, port, place), endpoints in found.items()
    )


def endpoints_of(ports: Sequence[PublishedPort]) -> tuple[Endpoint, ...]:
    """Give everywhere that these ports are tried at, each once."""
    return tuple(dict.fromkeys(endpoint for one in ports for endpoint in one.endpoints))


def wanted(noted: Json, ports: Sequence[PublishedPort]) -> tuple[PublishedPort, ...]:
    """Give those of `ports` that have to answer, as they did before."""
    answered = {(container, port) for container, port, _ in _answered(noted)}
    return tuple(one for one in ports if (one.container, one.port) in answered)


def silent(
    noted: Json,
    listed: Sequence[dict[str, Json]],
    ports: Sequence[PublishedPort],
    answering: Collection[Endpoint],
) -> list[str]:
    """Say which ports that answered do not, of containers that run.

    Where one is published elsewhere now, it has to answer there.
    """
    running = {name for name, _ in _running(listed)}
    lost = []
    for container, port, place in _answered(noted):
        if container not in running:
            continue
        ours = [one for one in ports if (one.container, one.port) == (container, port)]
        same = [one for one in ours if one.place == place] or ours
        if not any(endpoint in answering for one in same for endpoint in one.endpoints):
            where = "" if ours else ", which is not published any more"
            lost.append(f"port {place} of {container} answered before and does not{where}")
    return lost


def _answered(noted: Json) -> Iterator[tuple[str, int, str]]:
    ports = _part(noted, "ports")
    for one in ports if isinstance(ports, list) else ():
        if isinstance(one, dict) and isinstance(one.get("port"), int):
            yield str(one.get("container")), int(str(one["port"])), str(one.get("place"))


def _place(address: str, port: int) -> str:
    if address in _ANYWHERE:
        return str(port)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# -- commands ------------------------------------------------------------------------------


def commands_of(noted: Json) -> tuple[str, ...]:
    """Give the commands that exited 0 before."""
    commands = _part(noted, "commands")
    return tuple(str(one) for one in commands) if isinstance(commands, list) else ()


# ------------------------------------------------------------------------------------------


def _part(noted: Json, name: str) -> Json:
    return noted.get(name) if isinstance(noted, dict) else None


def _running(listed: Sequence[dict[str, Json]]) -> Iterator[tuple[str, dict[str, Json]]]:
    for one in listed:
        names = one.get("Names")
        if one.get("State") == "running" and isinstance(names, list) and names:
            yield str(names[0]).lstrip("/"), one
