"""Asking polkit whether a caller may do something, without waiting for the answer.

Interface: org.freedesktop.PolicyKit1.Authority(7), method CheckAuthorization. The subject is the
caller's unique bus name, which no other process can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.adapters.bus import PROMPT_SECONDS, SERVICE_UNKNOWN, TIMED_OUT, Remote, typed
from dockcfgd.model.errors import BusFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.adapters.bus import Bus

__all__ = ["Polkit"]

_AUTHORITY = Remote(
    "org.freedesktop.PolicyKit1",
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
)
_QUESTION = "((sa{sv})sa{ss}us)"
_ALLOW_PROMPT = 1
_ABSENT = frozenset(
    {
        SERVICE_UNKNOWN,
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.systemd1.NoSuchUnit",
        "org.freedesktop.systemd1.UnitMasked",
    }
)
_NOT_STARTED = "org.freedesktop.DBus.Error.Spawn."
_ONLY_ROOT = "only root may, as there is no polkit on this host"


class Polkit:
    """The authority on what users other than root may do."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def check(
        self, sender: str, action: str, *, may_prompt: bool, answer: Callable[[str], None]
    ) -> None:
        """Find out whether `sender` may do `action`, asking a person first if need be and allowed.

        `answer` is called from the loop: with "" where it may, else with the reason why not, at
        most PROMPT_SECONDS from now. Without polkit nobody may.
        """
        subject = ("system-bus-name", {"name": typed("s", sender)})
        flags = _ALLOW_PROMPT if may_prompt else 0
        question = typed(_QUESTION, (subject, action, {}, flags, ""))
        self._bus.ask(
            _AUTHORITY,
            "CheckAuthorization",
            question,
            lambda result: answer(_reason(result, action)),
            timeout=PROMPT_SECONDS,
        )


def _reason(result: tuple[Any, ...] | BusFailure, action: str) -> str:
    if isinstance(result, BusFailure):
        if result.name in _ABSENT or result.name.startswith(_NOT_STARTED):
            return _ONLY_ROOT
        if result.name == TIMED_OUT:
            return f"nobody has authorised {action} in {PROMPT_SECONDS:.0f} s"
        return f"polkit cannot tell: {result.text}"
    authorised, challenge, _details = result[0]
    if authorised:
        return ""
    if challenge:
        return f"polkit wants somebody to authorise {action}, and nobody could be asked"
    return f"polkit forbids {action}"
