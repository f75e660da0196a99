"""The default bridge: its addresses, its rules, and what they need of each other."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dockcfgd.planning.rules.breach import misleads, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "bridge_network", "bridge_to_find"]

_DOCKER0 = "docker0"
_FIRST_CHOICE = "172.17.0.0/16"
_LEAST_MTU, _GREATEST_MTU = 68, 65535
_LEAST_MTU_OF_IPV6 = 1280
_ROOM_FOR_BOTH_ENDS = 30


def bridge_and_bip(scene: Scene) -> Iterator[Breach]:
    """Refuse to give an address to a bridge that somebody else made."""
    if scene.text("bridge") and scene.text("bip"):
        why = "the engine refuses bip together with bridge"
        yield refuse("bip", why, "keep one", also=("bridge",))


def bridge_to_find(scene: Scene) -> str:
    """Give the kernel's folder of the bridge that the engine does not make; empty for its own."""
    name = scene.text("bridge")
    return "" if name in {"", "none", _DOCKER0} else f"/sys/class/net/{name}/bridge"


def bridge_is_there(scene: Scene) -> Iterator[Breach]:
    """Refuse a bridge that nobody made."""
    seen = scene.facts.folders.get(bridge_to_find(scene))
    if seen is not None and not seen.there:
        why = f"there is no bridge {scene.text('bridge')}, and the engine makes none but docker0"
        yield refuse("bridge", why, "make it first, or leave bridge out")


def icc(scene: Scene) -> Iterator[Breach]:
    """Refuse to part containers without the means to."""
    if scene.switch("icc") is False and scene.switch("iptables") is False:
        why = "the engine refuses icc = false without iptables"
        yield refuse("icc", why, "keep iptables", also=("iptables",))


def icc_of_ipv6(scene: Scene) -> Iterator[Breach]:
    """Refuse to part containers without the means to where IPv6 is on; tell of it before 27."""
    if scene.switch("icc") is not False or not scene.switch("ipv6"):
        return
    by_default = scene.from_release("27.0")
    if scene.switch("ip6tables") or (by_default and scene.switch("ip6tables") is None):
        return
    also = ("ipv6", "ip6tables")
    if scene.from_release("28.0"):
        why = "the engine refuses icc = false without ip6tables where ipv6 is on"
        yield refuse("icc", why, "keep ip6tables", also=also)
        return
    what = "without ip6tables containers reach each other over IPv6 all the same"
    weigh, hint = (misleads, "keep ip6tables") if by_default else (note, "set ip6tables = true")
    yield weigh("icc", what, hint, also=also)


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    try:
        return ipaddress.ip_interface(text) if "/" in text else None
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def bridge_network(scene: Scene) -> ipaddress.IPv4Network | None:
    """Give the network that docker0 will have, None where that cannot be told."""
    own = _interface(scene.text("bip"))
    if isinstance(own, ipaddress.IPv4Interface):
        return own.network
    if scene.text("bip") or scene.text("bridge") or scene.tables("default-address-pools"):
        return None
    if scene.facts.routes is None:
        return None
    present = [one.network for one in scene.facts.routes if one.interface == _DOCKER0]
    if not present and any(
        ipaddress.ip_network(_FIRST_CHOICE).overlaps(ipaddress.IPv4Network(one.network))
        for one in scene.facts.routes
        if ":" not in one.network
    ):
        return None
    plain = [network for network in (*present, _FIRST_CHOICE) if ":" not in network]
    return ipaddress.IPv4Network(plain[0])


def bip(scene: Scene) -> Iterator[Breach]:
    """Refuse an address that docker0 cannot have."""
    own = _interface(scene.text("bip"))
    if own is None:
        return
    if isinstance(own, ipaddress.IPv6Interface):
        hint = "give it an IPv4 address, and the IPv6 network as fixed-cidr-v6"
        yield refuse("bip", "the engine wants an IPv4 address here", hint)
        return
    network = own.network
    ends = {network.network_address, network.broadcast_address}
    if network.prefixlen <= _ROOM_FOR_BOTH_ENDS and own.ip in ends:
        why = f"{own.ip} is {_end(own)} of {network} and no host's"
        yield refuse("bip", why, f"use {network.network_address + 1}/{network.prefixlen}")
    elif own.ip.is_loopback or own.ip.is_multicast or own.ip.is_unspecified:
        why = f"{own.ip} is no address that containers could reach"
        yield misleads("bip", why, "take one of a private network, such as 172.26.0.1/16")
    elif network.prefixlen == 0:
        yield refuse("bip", "a network of all addresses leaves none outside", "use /24 or so")
    elif network.prefixlen > _ROOM_FOR_BOTH_ENDS:
        what = f"{network} has no address left for containers"
        weigh = note if scene.from_release("23.0") else refuse
        yield weigh("bip", what, "use a shorter prefix, such as /24")


def _end(own: ipaddress.IPv4Interface) -> str:
    at_start = own.ip == own.network.network_address
    return "the address of the network" if at_start else "the broadcast address"


def fixed_cidr(scene: Scene) -> Iterator[Breach]:
    """Refuse IPv6 here; tell of addresses that lie outside of docker0's network."""
    own, part = _interface(scene.text("bip")), _interface(scene.text("fixed-cidr"))
    if part is None:
        return
    if isinstance(part, ipaddress.IPv6Interface):
        why = "it is for IPv4"
        yield refuse("fixed-cidr", why, "use fixed-cidr-v6 for an IPv6 network")
    elif isinstance(own, ipaddress.IPv4Interface) and not part.network.subnet_of(own.network):
        what = f"{part.network} does not lie within {own.network}, the network of bip"
        # Engine 26.1 takes addresses of bip then, 28.5 has none for any container.
        apart = scene.from_release("27.0") and not part.network.overlaps(own.network)
        weigh = misleads if apart else note
        yield weigh("fixed-cidr", what, f"choose a part of {own.network}", also=("bip",))


def gateway(scene: Scene) -> Iterator[Breach]:
    """Refuse a gateway that is not in docker0's network, or is docker0 itself."""
    way, network = _address(scene.text("default-gateway")), bridge_network(scene)
    if way is None or network is None:
        return
    own = _interface(scene.text("bip"))
    if way not in network:
        why = f"{way} does not lie within {network}, the network of docker0"
        yield refuse("default-gateway", why, "set bip to a network that has it", also=("bip",))
    elif own is not None and own.ip == way:
        why = f"{way} is docker0's own address"
        hint = "leave it out: docker0 is the gateway by default"
        yield refuse("default-gateway", why, hint, also=("bip",))


def mtu(scene: Scene) -> Iterator[Breach]:
    """Refuse a size that no bridge can have."""
    size = scene.settings.get("mtu")
    if not isinstance(size, int) or isinstance(size, bool) or size == 0:
        return
    if not _LEAST_MTU <= size <= _GREATEST_MTU:
        why = f"a bridge can have from {_LEAST_MTU} to {_GREATEST_MTU}"
        yield refuse("mtu", why, "1500 is the default")
    elif size < _LEAST_MTU_OF_IPV6 and scene.switch("ipv6"):
        what = f"IPv6 needs at least {_LEAST_MTU_OF_IPV6}, so containers get no IPv6 address"
        yield note("mtu", what, "raise it, or leave ipv6 out", also=("ipv6",))


def ipv6_network(scene: Scene) -> Iterator[Breach]:
    """Refuse IPv6 without a network where the engine has none of its own."""
    if scene.from_release("27.0") or not scene.switch("ipv6") or scene.text("fixed-cidr-v6"):
        return
    if not scene.text("bridge"):
        why = "before engine 27.0 the default bridge needs fixed-cidr-v6 for it"
        yield refuse("ipv6", why, 'set fixed-cidr-v6, such as "fd00:d0c::/64"')


def fixed_cidr_v6(scene: Scene) -> Iterator[Breach]:
    """Refuse an IPv6 network that docker0 cannot have; tell of one that is not used."""
    part = _interface(scene.text("fixed-cidr-v6"))
    if part is None:
        return
    if isinstance(part, ipaddress.IPv4Interface):
        yield refuse("fixed-cidr-v6", "it is for IPv6", "use fixed-cidr for an IPv4 network")
    elif part.ip.is_multicast or part.ip.is_loopback:
        why = f"{part.network} holds no addresses for containers"
        yield refuse("fixed-cidr-v6", why, "take a part of fd00::/8")
    elif not scene.switch("ipv6"):
        what = "it has no effect without ipv6 = true"
        yield note("fixed-cidr-v6", what, "set ipv6 = true", also=("ipv6",))


def gateway_v6(scene: Scene) -> Iterator[Breach]:
    """Refuse an IPv6 gateway outside of docker0's network."""
    way, part = _address(scene.text("default-gateway-v6")), _interface(scene.text("fixed-cidr-v6"))
    if way is None or part is None or not scene.switch("ipv6"):
        return
    if way.version != part.version or way not in part.network:
        why = f"{way} does not lie within {part.network}"
        also = ("fixed-cidr-v6", "ipv6")
        yield refuse("default-gateway-v6", why, "choose one of fixed-cidr-v6", also=also)


def ip6tables(scene: Scene) -> Iterator[Breach]:
    """Refuse ip6tables where it is an experiment."""
    if scene.from_release("27.0") or not scene.switch("ip6tables"):
        return
    if not scene.switch("experimental"):
        why = "before engine 27.0 it is only there with experimental = true"
        yield refuse("ip6tables", why, "set experimental = true too", also=("experimental",))


RULES = (
    bridge_and_bip,
    bridge_is_there,
    icc,
    icc_of_ipv6,
    bip,
    fixed_cidr,
    gateway,
    mtu,
    ipv6_network,
    fixed_cidr_v6,
    gateway_v6,
    ip6tables,
)
