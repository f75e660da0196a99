"""Registries and mirrors as the engine writes them after it has read them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["is_loopback", "masked", "mirror_urls", "plain_registries"]

_LOOPBACK = {"127.0.0.0/8", "::1/128"}


def mirror_urls(urls: Iterable[object]) -> list[str]:
    """Give mirrors with the one slash at the end that the engine adds, the first of equal ones."""
    return list(dict.fromkeys(f"{str(url).removesuffix('/')}/" for url in urls))


def plain_registries(registries: Iterable[object]) -> set[str]:
    """Give registries without scheme, networks in their shortest form, loopback left out.

    The engine adds the loopback networks by itself and shows nothing of docker.io.
    """
    plain = {_plain(str(registry)) for registry in registries}
    return {name for name in plain if not is_loopback(name) and name != "docker.io"}


def is_loopback(registry: str) -> bool:
    """Tell whether a registry is one of the networks that every engine adds."""
    return registry in _LOOPBACK


def masked(url: str) -> str:
    """Give a proxy as /info shows it: a user name and password replaced by `xxxxx`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if "@" not in parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"xxxxx:xxxxx@{host}").geturl()


def _plain(registry: str) -> str:
    bare = registry.partition("://")[2] or registry
    name = "docker.io" if bare == "index.docker.io" else bare
    if "/" not in name:
        return name
    try:
        return str(ipaddress.ip_network(name, strict=False))
    except ValueError:
        return name
