"""What a person should do about a failed call over the bus, or a file that is not for them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from dockcfgd.api import contract
from dockcfgd.cli.published import EXIT_FAILED, EXIT_STOPPED
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from dockcfgd.model.errors import BusFailure, DockcfgdError

__all__ = ["beyond_permission", "explain"]

_ERROR = "org.freedesktop.DBus.Error."
_ABSENT = {_ERROR + "ServiceUnknown", _ERROR + "NameHasNoOwner"}
_CONNECTING = "connect to the bus"
_UNANSWERED = {_ERROR + "Timeout", _ERROR + "NoReply", _ERROR + "Disconnected"}


def explain(error: BusFailure) -> tuple[str, int]:
    """Give a line for a person, and the exit code."""
    if error.name in _ABSENT:
        return "dockcfgd is not running; start it: systemctl start dockcfgd", EXIT_STOPPED
    if error.name == _ERROR + "AccessDenied":
        return "only root may do this; try it with sudo", EXIT_FAILED
    if error.name == contract.NOT_AUTHORIZED:
        return f"{error.text}; try it with sudo", EXIT_FAILED
    if error.what == _CONNECTING:
        return f"{error}; is it up? systemctl status dbus.socket dbus", EXIT_FAILED
    if error.name in _UNANSWERED:
        return f"{error}; see dockcfgctl status and journalctl -u dockcfgd", EXIT_FAILED
    if error.name.startswith(contract.ERROR_PREFIX):
        return error.text, EXIT_FAILED
    return str(error), EXIT_FAILED


def beyond_permission(error: DockcfgdError) -> str:
    """Give what to add where a file is not for this user."""
    denied = isinstance(error, FileFailure) and error.errno in {errno.EACCES, errno.EPERM}
    return "; try it with sudo" if denied and os.geteuid() != 0 else ""
