"""Where new networks get their addresses, and whether the host uses them already."""

from __future__ import annotations

import ipaddress
import itertools
from typing import TYPE_CHECKING

from dockcfgd.planning.rules.breach import misleads, note, refuse
from dockcfgd.planning.rules.network import bridge_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.facts import Route
    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES"]

_KEY = "default-address-pools"
_OWN = ("docker", "br-", "veth")
_IPV4, _SMALLEST = 4, 30
# Older engines make all networks of a pool when they start.
_MOST_BITS = 22
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _pools(scene: Scene) -> list[tuple[int, Network, int]]:
    found = []
    for number, pool in enumerate(scene.tables(_KEY), start=1):
        base, size = pool.get("base"), pool.get("size")
        if not isinstance(base, str) or not isinstance(size, int):
            continue
        try:
            found.append((number, ipaddress.ip_network(base, strict=False), size))
        except ValueError:
            continue
    return found


def sizes(scene: Scene) -> Iterator[Breach]:
    """Refuse a pool that cannot be cut into networks of its size."""
    for number, base, size in _pools(scene):
        if not base.prefixlen <= size <= base.max_prefixlen:
            why = f"size {size} of pool {number} does not fit {base}"
            yield refuse(_KEY, why, f"use {base.prefixlen} to {base.max_prefixlen}")
        elif size > _SMALLEST and base.version == _IPV4 and not scene.from_release("23.0"):
            why = f"networks of pool {number} have no address left for a container"
            yield refuse(_KEY, why, f"use a size of {_SMALLEST} at most")
        elif size - base.prefixlen > _MOST_BITS and not scene.from_release("27.0"):
            why = f"pool {number} is cut into more networks than this engine has memory for"
            yield refuse(_KEY, why, f"use a base of /{size - _MOST_BITS} or smaller")


def some_for_ipv4(scene: Scene) -> Iterator[Breach]:
    """Refuse pools that leave docker0 without an address."""
    pools = _pools(scene)
    if not pools or any(base.version == _IPV4 for _, base, _ in pools):
        return
    if not scene.text("bip") and scene.text("bridge") != "none":
        why = "all pools are of IPv6, and docker0 needs one of IPv4"
        yield refuse(_KEY, why, 'add one, such as { base = "172.26.0.0/16", size = 24 }')


def apart(scene: Scene) -> Iterator[Breach]:
    """Tell of pools that overlap: the engine gives no network twice, so one is smaller."""
    for (first, one, _), (second, other, _) in itertools.combinations(_pools(scene), 2):
        if one.version == other.version and one.overlaps(other):
            what = f"pools {first} ({one}) and {second} ({other}) overlap"
            yield note(_KEY, what, "keep one of them, or make them disjoint")


def enough(scene: Scene) -> Iterator[Breach]:
    """Tell of pools that docker0 alone uses up."""
    pools = [(base, size) for _, base, size in _pools(scene) if base.version == _IPV4]
    uncut = [base for base, size in pools if size <= base.prefixlen]
    if len(pools) == len(uncut) == 1 and not scene.text("bip"):
        what = "docker0 takes the only network there is, and no other can be made"
        yield note(_KEY, what, "use a greater size or a second pool")


def _foreign(scene: Scene) -> Iterator[tuple[Route, Network]]:
    for route in scene.facts.routes or ():
        if not route.interface.startswith(_OWN) and route.interface != scene.text("bridge"):
            yield route, ipaddress.ip_network(route.network)


def pools_and_host(scene: Scene) -> Iterator[Breach]:
    """Refuse a pool that is all the host's own; tell of one that is partly so."""
    for number, base, _ in _pools(scene):
        for route, network in _foreign(scene):
            if network.version != base.version or not network.overlaps(base):
                continue
            where = f"{network}, to which this host has a route through {route.interface}"
            if base.subnet_of(network):  # type: ignore[arg-type]  # one version, as tested above
                why = f"pool {number} ({base}) lies within {where}"
                yield misleads(_KEY, why, "choose a network that nobody uses")
            else:
                what = f"pool {number} ({base}) holds {where}"
                hint = "the engine may give it to a network; choose another base to be safe"
                yield note(_KEY, what, hint)


def bridge_and_host(scene: Scene) -> Iterator[Breach]:
    """Refuse a docker0 that takes over a network which the host uses."""
    own = bridge_network(scene)
    if own is None or not scene.text("bip"):
        return
    for route, network in _foreign(scene):
        if isinstance(network, ipaddress.IPv4Network) and network.overlaps(own):
            why = f"{own} overlaps {network}, which this host reaches through {route.interface}"
            yield misleads("bip", why, "choose a network that nobody uses")


RULES = (sizes, some_for_ipv4, apart, enough, pools_and_host, bridge_and_host)
