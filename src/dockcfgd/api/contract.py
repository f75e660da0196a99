"""The names of the bus interface, and the limits on what it takes.

Errors that a call may end with, all below `org.dockcfgd1.Error.`:

    InvalidArguments      an argument breaks a limit below
    InvalidDesiredState   the files are no desired state; the text says where and why
    PlanChanged           what would be done is not what the caller agreed to any more
    NotAuthorized         the caller may not do this
    Busy                  too much is waiting already, or a change or backup is in the way
    NotNow                there is nothing that this could be done to; the text says what there is
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "BUSY",
    "BUS_NAME",
    "ERROR_PREFIX",
    "INTERFACE",
    "INVALID_ARGUMENTS",
    "INVALID_DESIRED_STATE",
    "MAX_COMMENT",
    "MAX_CONFIRM_SECONDS",
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "NOT_AUTHORIZED",
    "NOT_NOW",
    "OBJECT_PATH",
    "PLAN_CHANGED",
    "PREVIOUS_GENERATION",
    "UNKNOWN_METHOD",
    "actions",
    "complaints",
    "interface_xml",
]

BUS_NAME = "org.dockcfgd1"
OBJECT_PATH = "/org/dockcfgd1"
INTERFACE = "org.dockcfgd1.Manager"

ERROR_PREFIX = "org.dockcfgd1.Error."
INVALID_ARGUMENTS = ERROR_PREFIX + "InvalidArguments"
INVALID_DESIRED_STATE = ERROR_PREFIX + "InvalidDesiredState"
PLAN_CHANGED = ERROR_PREFIX + "PlanChanged"
NOT_AUTHORIZED = ERROR_PREFIX + "NotAuthorized"
BUSY = ERROR_PREFIX + "Busy"
NOT_NOW = ERROR_PREFIX + "NotNow"

UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"

PREVIOUS_GENERATION = 2**32 - 1
"""Rollback's word for the one applied before the present one; 0 is what was there at first."""

MAX_FILES = 1000
MAX_FILE_BYTES = 1024 * 1024
MAX_COMMENT = 1000
MAX_CONFIRM_SECONDS = 7 * 24 * 3600
_MAX_NAME_BYTES = 255
_ACTION = "org.dockcfgd1.Action"


def interface_xml() -> str:
    """Give the introspection document of the object."""
    return resources.files("dockcfgd.api").joinpath("org.dockcfgd1.xml").read_text("utf-8")


@cache
def actions() -> dict[str, str]:
    """Give the polkit action of each method that needs authorisation, by the method's name."""
    found = {}
    for method in ET.fromstring(interface_xml()).iter("method"):  # noqa: S314 -- our own file
        for one in method.iterfind(f"annotation[@name='{_ACTION}']"):
            found[method.get("name", "")] = f"{BUS_NAME}.{one.get('value')}"
    return found


def complaints(files: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Give what is wrong with the names and sizes of `files`, nothing if all is well."""
    if len(files) > MAX_FILES:
        yield f"cannot take {len(files)} files: {MAX_FILES} is the limit"
    seen: set[str] = set()
    for name, text in files:
        if not _plain(name):
            yield f"cannot take a file named {name!r}: it must be a plain name that ends in .toml"
        if name in seen:
            yield f"cannot take two files named {name}: in conf.d there can only be one"
        seen.add(name)
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
            yield f"cannot take {name}: it has more than {MAX_FILE_BYTES} bytes"


def _plain(name: str) -> bool:
    return (
        name.endswith(".toml")
        and not name.startswith(".")
        and "/" not in name
        and name.isprintable()
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME_BYTES
    )
