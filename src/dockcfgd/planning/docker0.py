"""What the network on docker0 shows of the engine's configuration.

The engine makes it anew at each start, but for one with live containers: then it stays what it was,
whatever the file says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["shown_by_docker0"]

_OPTIONS = {
    "mtu": "com.docker.network.driver.mtu",
    "icc": "com.docker.network.bridge.enable_icc",
    "ip-masq": "com.docker.network.bridge.enable_ip_masquerade",
    "ip": "com.docker.network.bridge.host_binding_ipv4",
}
_SWITCHES = {"icc", "ip-masq"}


def shown_by_docker0(path: KeyPath, network: Mapping[str, Json]) -> Json:
    """Give the value that the network (as `GET /networks` has it) shows; None where it does not."""
    name = path[0] if len(path) == 1 else ""
    if name == "ipv6" and isinstance(network.get("EnableIPv6"), bool):
        return network["EnableIPv6"]
    options = network.get("Options")
    text = options.get(_OPTIONS.get(name, "")) if isinstance(options, dict) else None
    if not isinstance(text, str):
        return None
    if name in _SWITCHES:
        return text == "true"
    return int(text) if name == "mtu" and text.isdecimal() else text
