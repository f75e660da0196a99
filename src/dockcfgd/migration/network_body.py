"""From a network's document to what creates its like. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, flag, table, text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["network_body", "network_order"]

_KEPT = (
    "Name",
    "Driver",
    "Scope",
    "Internal",
    "Attachable",
    "EnableIPv6",
    "EnableIPv4",
    "IPAM",
    "Options",
    "Labels",
    "ConfigOnly",
)


def network_body(network: Document) -> Document:
    """Give the body that creates a network again."""
    body: Document = {key: network[key] for key in _KEPT if network.get(key) is not None}
    source = text(network, "ConfigFrom", "Network")
    if source:
        # All these come from the other network, and are refused beside it.
        for key in ("IPAM", "Options", "EnableIPv6", "EnableIPv4", "Internal"):
            body.pop(key, None)
        body["ConfigFrom"] = {"Network": source}
    if not table(body, "IPAM"):
        body.pop("IPAM", None)
    # Engines before 25 would make a second network of the name.
    return body | {"CheckDuplicate": True}


def network_order(networks: Iterable[Document]) -> list[Document]:
    """Put those that hold only configuration before those that take it from them."""
    return sorted(networks, key=lambda network: not flag(network, "ConfigOnly"))
