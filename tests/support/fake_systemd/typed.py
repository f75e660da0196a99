"""Plain values as the D-Bus types that an introspection names."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import dbus

_BASIC: dict[str, Any] = {
    "y": dbus.Byte,
    "b": dbus.Boolean,
    "n": dbus.Int16,
    "q": dbus.UInt16,
    "i": dbus.Int32,
    "u": dbus.UInt32,
    "x": dbus.Int64,
    "t": dbus.UInt64,
    "d": dbus.Double,
    "s": dbus.String,
    "o": dbus.ObjectPath,
    "g": dbus.Signature,
}


def typed(signature: str, value: Any) -> Any:
    """Give `value` as the one complete type `signature`; None stands for its zero value."""
    if signature == "o":
        return dbus.ObjectPath(value or "/")
    if signature == "s":
        return dbus.String(value or "")
    if signature in _BASIC:
        return _BASIC[signature](value or 0)
    if signature == "v":
        return dbus.String("" if value is None else str(value), variant_level=1)
    if signature.startswith("a{"):
        return dbus.Dictionary(value or {}, signature=signature[2:-1])
    if signature.startswith("a"):
        items = [typed(signature[1:], item) for item in value or ()]
        return dbus.Array(items, signature=signature[1:])
    parts = [str(part) for part in dbus.Signature(signature[1:-1])]
    values = [None] * len(parts) if value is None else value
    return dbus.Struct([typed(*pair) for pair in zip(parts, values, strict=True)])


def signatures(xml: str, interface: str) -> dict[str, str]:
    """Give the signature of each property of an interface."""
    (found,) = ET.fromstring(xml).findall(f"interface[@name='{interface}']")  # noqa: S314 -- own file
    return {item.attrib["name"]: item.attrib["type"] for item in found.findall("property")}
