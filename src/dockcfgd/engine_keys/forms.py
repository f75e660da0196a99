"""Whether a text has the form that its key wants."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from dockcfgd.engine_keys.engines import api_range
from dockcfgd.engine_keys.sizes import read_duration, read_size
from dockcfgd.engine_keys.version import EngineVersion

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fault_of_form"]

_OLDEST_API = "1.24"
_PATHS_IN_MIRRORS = EngineVersion(25, 0)
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:\d{1,5})?", re.IGNORECASE | re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_HIGHEST_PORT = 65535
_IPV6 = 6
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
# Python takes a netmask in place of the length, too, and an interface's name behind the address.
_WITH_PREFIX = re.compile(r"[^%/]+/\d{1,3}", re.ASCII)
_DOMAIN = re.compile(rf"(?=.*[a-z]){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE | re.ASCII)


def fault_of_form(form: str, text: str, version: EngineVersion | None) -> str:
    """Say what keeps `text` from being a `form`. The words hold no part of the text itself."""
    if form == "mirror":
        return _mirror(text, version)
    if form == "api-version":
        return _api_version(text, version)
    check = _FORMS.get(form)
    return "" if check is None else check(text)


def _size(text: str) -> str:
    try:
        read_size(text)
    except ValueError:
        return "it must be a size such as 64M, 1.5g or a number of bytes"
    return ""


def _duration(text: str) -> str:
    try:
        read_duration(text)
    except ValueError:
        return "it must be a duration such as 48h or 90m"
    return ""


def _ip(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "it must be an IP address"
    return ""


def _interface(text: str) -> str:
    if not _is_network(text):
        return "it must be an address with its prefix length, such as 172.26.0.1/16"
    return "" if "/" in text else "the prefix length is missing, as in 172.26.0.1/16"


def _network(text: str) -> str:
    if not _is_network(text):
        return "it must be a network such as 172.26.1.0/24"
    return "" if "/" in text else "the prefix length is missing, as in 172.26.1.0/24"


def _is_network(text: str) -> bool:
    """Tell whether it is one with a prefix length, or an address alone."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" not in text or _WITH_PREFIX.fullmatch(text) is not None


def _network_v6(text: str) -> str:
    why = _network(text)
    if why or ipaddress.ip_network(text, strict=False).version == _IPV6:
        return why
    return "it must be an IPv6 network such as fd00:b::/64"


def _domain(text: str) -> str:
    return "" if text == "." or _DOMAIN.fullmatch(text) else "it must be a domain name"


def _absolute(text: str) -> str:
    return "" if text.startswith("/") else "it must be an absolute path"


def _assignment(text: str) -> str:
    name, equals, _ = text.partition("=")
    return "" if name and equals else "it must be name=value"


def _host_port(text: str) -> str:
    _, colon, port = text.rpartition(":")
    return "" if colon and _is_port(port) else "it must be host:port"


def _host(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    if separator and scheme in {"unix", "tcp", "fd"}:
        return ""
    return "it must begin with unix://, tcp:// or fd://"


def _registry(text: str) -> str:
    if "://" in text:
        return "it must be host, host:port or a network, without http://"
    if "/" in text:
        return _network(text) and "it must be host, host:port or a network such as 10.0.0.0/8"
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]") and not _ip(host.strip("[]")):
        return "" if _is_port(port) else "its port must be a number up to 65535"
    if not _ip(text.strip("[]")):
        return ""
    if not _HOST.fullmatch(text):
        return "it must be host, host:port or a network such as 10.0.0.0/8"
    return "" if not host or _is_port(port) else "its port must be a number up to 65535"


def _mirror(text: str, version: EngineVersion | None) -> str:
    try:
        url = urlsplit(text)
    except ValueError:
        return "it must be a URL"
    if url.scheme not in {"http", "https"} or not url.hostname:
        return "it must begin with https:// or http:// and a host"
    if "@" in url.netloc:
        return "a mirror takes no user name or password"
    return _mirror_rest(url, version)


def _mirror_rest(url: SplitResult, version: EngineVersion | None) -> str:
    if url.query or url.fragment:
        return "a mirror takes no query and no fragment"
    if url.path not in {"", "/"} and version is not None and version < _PATHS_IN_MIRRORS:
        return "a mirror takes no path before engine 25.0"
    return ""


def _api_version(text: str, version: EngineVersion | None) -> str:
    newest = api_range(version).newest
    number = _api_number(text)
    if number is None:
        return 'it must be an API version such as "1.44"'
    if number < (_api_number(_OLDEST_API) or number):
        return f"the oldest API version that can be served is {_OLDEST_API}"
    if version is not None and number > (_api_number(newest) or number):
        return f"the newest API version of this engine is {newest}"
    return ""


def _api_number(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", text, re.ASCII)
    return None if match is None else (int(match[1]), int(match[2]))


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= _HIGHEST_PORT


_FORMS: dict[str, Callable[[str], str]] = {
    "absolute": _absolute,
    "assignment": _assignment,
    "domain": _domain,
    "duration": _duration,
    "host": _host,
    "host-port": _host_port,
    "interface": _interface,
    "ip": _ip,
    "network": _network,
    "network-v6": _network_v6,
    "registry": _registry,
    "size": _size,
}
