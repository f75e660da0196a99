"""The names of the bus interface, and the limits on what it takes.

Errors that a call may end with, all below `org.dockcfgd1.Error.`:

    InvalidArguments      an argument breaks a limit below
    InvalidDesiredState   the files cannot be used
    NotAuthorized         the caller may not do this
    NotFound              there is no such generation
    Busy                  too much is waiting already
    Failed                anything else; the text says what
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from dockcfgd.model.errors import DockcfgdError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BUSY",
    "BUS_NAME",
    "ERROR_PREFIX",
    "FAILED",
    "INTERFACE",
    "INVALID_ARGUMENTS",
    "INVALID_DESIRED_STATE",
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "NOT_AUTHORIZED",
    "NOT_FOUND",
    "OBJECT_PATH",
    "RequestError",
    "check_files",
    "interface_xml",
]

BUS_NAME = "org.dockcfgd1"
OBJECT_PATH = "/org/dockcfgd1"
INTERFACE = "org.dockcfgd1.Manager"

ERROR_PREFIX = "org.dockcfgd1.Error."
INVALID_ARGUMENTS = ERROR_PREFIX + "InvalidArguments"
INVALID_DESIRED_STATE = ERROR_PREFIX + "InvalidDesiredState"
NOT_AUTHORIZED = ERROR_PREFIX + "NotAuthorized"
NOT_FOUND = ERROR_PREFIX + "NotFound"
BUSY = ERROR_PREFIX + "Busy"
FAILED = ERROR_PREFIX + "Failed"

MAX_FILES = 1000
MAX_FILE_BYTES = 1024 * 1024
_MAX_NAME_BYTES = 255


class RequestError(DockcfgdError):
    """A call over the bus was refused or not answered; `name` is the D-Bus error's name."""

    def __init__(self, *, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def interface_xml() -> str:
    """Give the introspection document of the object."""
    return resources.files("dockcfgd.api").joinpath("org.dockcfgd1.xml").read_text("utf-8")


def check_files(files: Sequence[tuple[str, str]]) -> None:
    """Raise RequestError, named InvalidArguments, unless all is within the limits."""
    for why in _complaints(files):
        raise RequestError(name=INVALID_ARGUMENTS, message=why)


def _complaints(files: Sequence[tuple[str, str]]) -> Iterable[str]:
    if len(files) > MAX_FILES:
        yield f"cannot take {len(files)} files: {MAX_FILES} is the limit"
    seen: set[str] = set()
    for name, text in files:
        if not _plain(name):
            yield f"cannot take a file named {name!r}: it must be a plain name that ends in .toml"
        if name in seen:
            yield f"cannot take two files named {name}: in conf.d there can only be one"
        seen.add(name)
        if (
            len(text) > MAX_FILE_BYTES
            or len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES
        ):
            yield f"cannot take {name}: it has more than {MAX_FILE_BYTES} bytes"


def _plain(name: str) -> bool:
    return (
        name.endswith(".toml")
        and not name.startswith(".")
        and "/" not in name
        and name.isprintable()
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME_BYTES
    )
