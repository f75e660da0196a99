"""docker0 and every network: address, state, MTU, and whether the host uses the same addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, note, unseen, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.model.desired import Json
    from dockcfgd.model.vitals import Interface

__all__ = ["CHECKS"]

_DOCKER0 = "docker0"
_MADE = re.compile(r"br-[0-9a-f]{12}")
_NAME_OPTION = "com.docker.network.bridge.name"
_MTU_OPTION = "com.docker.network.driver.mtu"
_INHIBIT_OPTION = "com.docker.network.bridge.inhibit_ipv4"
_MODE_OPTION = "com.docker.network.bridge.gateway_mode_ipv4"
_TRUE = {"1", "t", "true"}
_ID_LETTERS = 12
# VPN clients lead all there is through themselves by a route for each half of the addresses, and
# leave the default route as it was. What a network has is not meant to go there.
_HALF = 1
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(case: Case) -> Iterator[Finding]:
    """Judge each network that the engine has, or what is left of them while it is down."""
    if case.networks is None:
        yield from _without_engine(case)
        return
    for network in sorted(case.networks, key=lambda one: str(one.get("Name"))):
        if network.get("Driver") == "bridge":
            yield from _bridge(case, network)
        elif network.get("Driver") not in ("host", "null", None):
            subnets = ", ".join(_subnets(network)) or "no address"
            yield fine(f"network {network.get('Name')} ({network.get('Driver')}): {subnets}")
    yield from _left_over(case, case.networks)
    yield from _forwarding(case)


def _without_engine(case: Case) -> Iterator[Finding]:
    why = "only the engine knows all networks, and it was not asked"
    yield unseen(
        "networks but for their bridges", why, root=case.root or not case.host.unit.running
    )
    for one in case.interfaces:
        if one.bridge and (one.name == _DOCKER0 or _MADE.fullmatch(one.name)):
            yield from _judged(case, one.name, one, list(one.addresses), {})


def _bridge(case: Case, network: Mapping[str, Json]) -> Iterator[Finding]:
    name, interface = str(network.get("Name")), _interface_of(network)
    seen = next((one for one in case.interfaces if one.name == interface), None)
    called = f"network {name} ({interface})"
    if seen is None and network.get("Scope") == "swarm":
        # A node makes it with its first task; a manager lists it before.
        yield fine(f"network {name} (bridge) of the swarm: no task uses it here")
        return
    if seen is None:
        why = "its containers reach nobody, and none can be started in it"
        remedy = (
            "systemctl restart docker makes it anew"
            if interface == _DOCKER0
            else f"docker network rm {name}, and create it anew"
        )
        yield error(f"{called} has no interface", why, remedy)
        return
    yield from _judged(case, called, seen, _subnets(network), network)


def _judged(
    case: Case, called: str, seen: Interface, subnets: list[str], network: Mapping[str, Json]
) -> Iterator[Finding]:
    found = [
        *_state(called, seen, network),
        *_overlaps(case, called, seen.name, subnets),
        *(() if network.get("Internal") is True else _mtus(case, called, seen, _mtu(network))),
    ]
    yield from found
    if not found:
        address = ", ".join(seen.addresses or subnets) or "no address"
        yield fine(f"{called}: {address}, {seen.state}, MTU {seen.mtu}")


def _state(called: str, seen: Interface, network: Mapping[str, Json]) -> Iterator[Finding]:
    # A bridge without ports is down, which is as it should be.
    if seen.state == "down" and seen.ports:
        why = f"{', '.join(seen.ports)} hang on it and reach nobody"
        yield warning(f"{called} is down", why, f"ip link set {seen.name} up")
    elif not seen.addresses and _has_gateway(network):
        why = "its containers have no gateway"
        yield warning(
            f"{called} has no IPv4 address",
            why,
            "something took it away; systemctl restart docker gives it one",
        )


def _overlaps(case: Case, called: str, own: str, subnets: list[str]) -> Iterator[Finding]:
    mine = [one for text in subnets if (one := _network(text)) is not None]
    for route in case.routes:
        there = _network(route.network)
        if there is None or route.interface == own or there.prefixlen <= _HALF:
            continue
        for subnet in mine:
            if there.version == subnet.version and there.overlaps(subnet):
                way = f"which this host reaches through {route.interface}"
                what = f"{called} {subnet} overlaps {there}, {way}"
                why = "packets for one of them go to the other"
                remedy = (
                    "give it another address: bip in [engine] for docker0, else a network made anew"
                    " with --subnet; default-address-pools for those to come"
                )
                yield warning(what, why, remedy)


def _mtus(case: Case, called: str, seen: Interface, mtu: int) -> Iterator[Finding]:
    uplinks = [one for one in case.interfaces if one.default_route and one.mtu]
    mine = mtu or seen.mtu
    if not uplinks or not mine:
        return
    least = min(uplinks, key=lambda one: one.mtu)
    if mine > least.mtu:
        what = f"{called} has an MTU of {mine}, the way out ({least.name}) one of {least.mtu}"
        why = "large packets get lost: connections open and then hang"
        remedy = (
            f"mtu = {least.mtu} in [engine] for docker0; other networks are made anew"
            f" with --opt {_MTU_OPTION}={least.mtu}"
        )
        yield warning(what, why, remedy)


def _left_over(case: Case, known: Sequence[Mapping[str, Json]]) -> Iterator[Finding]:
    mine = {_interface_of(network) for network in known}
    for one in case.interfaces:
        if one.bridge and _MADE.fullmatch(one.name) and one.name not in mine:
            address = ", ".join(one.addresses) or "no address"
            what = f"bridge {one.name} ({address}) belongs to no network of the engine"
            why = "it keeps its addresses from being used again"
            yield warning(what, why, f"ip link delete {one.name}")


def _forwarding(case: Case) -> Iterator[Finding]:
    if case.kernel.forwarding is False:
        why = "containers reach nothing outside of this host"
        yield warning(
            "the kernel does not forward packets",
            why,
            "sysctl net.ipv4.ip_forward=1; look who switched it off",
        )


def docker0(case: Case) -> Iterator[Finding]:
    """Say so where there is none."""
    names = {one.name for one in case.interfaces}
    wanted = case.settings.get("bridge")
    if _DOCKER0 not in names and not wanted and case.networks is None and case.interfaces:
        yield note("there is no docker0", "the engine makes it when it starts")


def _interface_of(network: Mapping[str, Json]) -> str:
    named = _option(network, _NAME_OPTION)
    if named or network.get("Name") == "bridge":
        return named or _DOCKER0
    return f"br-{str(network.get('Id'))[:_ID_LETTERS]}"


def _has_gateway(network: Mapping[str, Json]) -> bool:
    """Whether the engine gives the bridge an IPv4 address."""
    if network.get("EnableIPv4") is False or _option(network, _MODE_OPTION) == "isolated":
        return False
    return _option(network, _INHIBIT_OPTION).lower() not in _TRUE


def _mtu(network: Mapping[str, Json]) -> int:
    text = _option(network, _MTU_OPTION)
    return int(text) if text.isdecimal() else 0


def _option(network: Mapping[str, Json], name: str) -> str:
    options = network.get("Options")
    return str(options.get(name) or "") if isinstance(options, dict) else ""


def _subnets(network: Mapping[str, Json]) -> list[str]:
    ipam = network.get("IPAM")
    configs = ipam.get("Config") if isinstance(ipam, dict) else None
    return [
        str(one["Subnet"])
        for one in (configs if isinstance(configs, list) else [])
        if isinstance(one, dict) and one.get("Subnet")
    ]


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


CHECKS = (docker0, networks)
