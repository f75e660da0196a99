"""From a container's inspect document to what creates its like. Pure.

Where the engine's own answer cannot simply be sent back, the reason stands beside the code; the
rules hold for engines 20.10 to 28, at the API version that the document was asked with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, api_at_least, at, table, text, texts
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.mounts import mount_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.migration.others import Others
    from dockcfgd.model.desired import Json

__all__ = ["Connect", "Recreation", "Setting", "recreation"]

_SHORT = 12
_SHARED = "container:"
_DEFAULT_BRIDGE = frozenset({"", "default", "bridge"})
_WITHOUT_ENDPOINTS = frozenset({"host", "none"})

# API versions from which an engine takes or shows something else.
_ENDPOINT_MAC = (1, 44)
_OWN_ALIASES_ONLY = (1, 45)
_GATEWAY_PRIORITY = (1, 48)


@dataclass(frozen=True, slots=True)
class Connect:
    """A network that the container is connected to once it is created."""

    network: str
    endpoint: Document

    def body(self, container: str) -> Document:
        """Give the body of the request."""
        return {"Container": container, "EndpointConfig": self.endpoint}


@dataclass(frozen=True, slots=True)
class Recreation:
    """What creates a container again: the body for its name, then the further networks."""

    name: str
    body: Document
    connects: tuple[Connect, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What the document does not say: the image's name or ID now, and API versions.

    `api` is the version in use, `shown` the one that the document was asked with. `macs` are
    addresses that the user asked for, by network; where the document shows one that may be the
    engine's invention, only these are set again. `networks` has the names of networks that have
    other IDs now, by the IDs from before, `empty_volumes` those of volumes without content.
    """

    image: str
    api: str
    shown: str
    macs: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    empty_volumes: frozenset[str] = frozenset()

    def network_mode(self, document: Document) -> str:
        """Give the container's NetworkMode, which may name a network by (part of) its ID."""
        mode = text(document, "HostConfig", "NetworkMode")
        if mode in {*self.networks.values(), *table(document, "NetworkSettings", "Networks")}:
            # A name may be the beginning of another network's ID, as `db` or `cafe`.
            return mode
        found = [name for key, name in self.networks.items() if mode and key.startswith(mode)]
        return found[0] if len(found) == 1 and found[0] != mode else mode


def recreation(document: Document, others: Others, setting: Setting) -> Recreation:
    """Give what creates the container of an inspect document again."""
    host = _host_config(document, others, setting)
    endpoints = _Endpoints(document, others, setting)
    body: Document = dict(_config(document, setting))
    body["HostConfig"] = host
    first = endpoints.first()
    if first is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: first.endpoint}}
    return Recreation(container_name(document), body, endpoints.further())


def _config(document: Document, setting: Setting) -> Document:
    config = dict(table(document, "Config"))
    config["Image"] = setting.image
    if config.get("Entrypoint") is None:
        # An entrypoint that was cleared is shown as null, and null would take the image's.
        config["Entrypoint"] = [""]
    mode = text(document, "HostConfig", "NetworkMode")
    shared = mode.startswith(_SHARED)
    if shared or text(document, "HostConfig", "UTSMode") == "host":
        # The engine shows the name that the namespace has, and refuses it.
        config.pop("Hostname", None)
        config.pop("Domainname", None)
    if shared:
        # Those of the image, which come with it; given explicitly they are refused.
        config.pop("ExposedPorts", None)
    if api_at_least(setting.api, *_ENDPOINT_MAC) or shared or mode == "host":
        config.pop("MacAddress", None)
    return config


def _host_config(document: Document, others: Others, setting: Setting) -> Document:
    host = dict(table(document, "HostConfig"))
    if "NetworkMode" in host:
        host["NetworkMode"] = setting.network_mode(document)
    for key in ("NetworkMode", "IpcMode", "PidMode", "UTSMode", "UsernsMode", "CgroupnsMode"):
        mode = host.get(key)
        if isinstance(mode, str) and mode.startswith(_SHARED):
            token = mode.removeprefix(_SHARED)
            host[key] = f"{_SHARED}{others.present(token) or token}"
    if host.get("Links"):
        host["Links"] = [_link(link, others) for link in texts(host, "Links")]
    host.update(mount_settings(document, others, empty=setting.empty_volumes))
    return host


def _link(link: str, others: Others) -> Json:
    target, colon, alias = link.partition(":")
    return f"{others.present(target) or target}{colon}{alias}"


class _Endpoints:
    """The networks of a container, the one that its NetworkMode names apart from the others."""

    def __init__(self, document: Document, others: Others, setting: Setting) -> None:
        self._document = document
        self._others = others
        self._setting = setting
        self._mode = setting.network_mode(document)
        self._found = table(document, "NetworkSettings", "Networks")
        if self._mode in _WITHOUT_ENDPOINTS or self._mode.startswith(_SHARED):
            self._found = {}
        self._first = self._choose()

    def first(self) -> Connect | None:
        """Give the endpoint that creation takes: engines below 25 take but one."""
        if self._first is None:
            return None
        endpoint = self._endpoint(self._first)
        if self._first == "bridge" and self._mode in _DEFAULT_BRIDGE:
            return Connect(self._mode or "default", endpoint) if endpoint else None
        named = self._first == self._found_for_mode()
        return Connect(self._mode if named else self._first, endpoint)

    def further(self) -> tuple[Connect, ...]:
        """Give the other endpoints."""
        return tuple(
            Connect(name, self._endpoint(name)) for name in self._found if name != self._first
        )

    def _choose(self) -> str | None:
        return self._found_for_mode() or next(iter(self._found), None)

    def _found_for_mode(self) -> str | None:
        if self._mode in _DEFAULT_BRIDGE:
            return "bridge" if "bridge" in self._found else None
        if self._mode in self._found:
            return self._mode
        for name, endpoint in self._found.items():
            # The mode may be a network's ID, or the beginning of one.
            if isinstance(endpoint, dict) and text(endpoint, "NetworkID").startswith(self._mode):
                return name
        return None

    def _endpoint(self, name: str) -> Document:
        shown = table(self._document, "NetworkSettings", "Networks", name)
        endpoint: Document = {}
        for key in ("IPAMConfig", "DriverOpts"):
            if shown.get(key):
                endpoint[key] = shown[key]
        if shown.get("GwPriority") and api_at_least(self._setting.api, *_GATEWAY_PRIORITY):
            endpoint["GwPriority"] = shown["GwPriority"]
        if name != "bridge":
            aliases = self._aliases(shown)
            endpoint |= {"Aliases": aliases} if aliases else {}
        if shown.get("Links"):
            endpoint["Links"] = [_link(link, self._others) for link in texts(shown, "Links")]
        mac = self._mac(name)
        if mac:
            endpoint["MacAddress"] = mac
        return endpoint

    def _aliases(self, shown: Document) -> list[Json]:
        # The engine adds the short ID, and before API 1.45 shows it and the hostname as aliases.
        dropped = {text(self._document, "Id")[:_SHORT]}
        if not api_at_least(self._setting.shown, *_OWN_ALIASES_ONLY):
            dropped.add(text(self._document, "Config", "Hostname"))
        return [alias for alias in texts(shown, "Aliases") if alias not in dropped]

    def _mac(self, name: str) -> str:
        """Give the address that the user asked for; the endpoint shows invented ones too."""
        if not api_at_least(self._setting.api, *_ENDPOINT_MAC):
            return ""
        asked = at(dict(self._setting.macs), name)
        if isinstance(asked, str):
            return asked
        return text(self._document, "Config", "MacAddress") if name == self._first else ""
