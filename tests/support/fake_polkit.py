"""A polkit for a private bus, made with dbus-python.

    python3 fake_polkit.py ADDRESS

It takes each question down for `Asked`, and answers as `SetAnswer(authorised, challenge)` said
last, after `seconds`.
"""

from __future__ import annotations

import sys
from typing import Any

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
TEST = "org.dockcfgd1.Test"


class Authority(dbus.service.Object):  # type: ignore[misc]  # dbus-python has no types
    """The authority."""

    def __init__(self, bus: Any) -> None:
        super().__init__(bus, PATH)
        self.asked = ""
        self.answer = (False, False, 0.0)

    @dbus.service.method(  # type: ignore[untyped-decorator]
        AUTHORITY,
        in_signature="(sa{sv})sa{ss}us",
        out_signature="(bba{ss})",
        async_callbacks=("reply", "error"),
    )
    def CheckAuthorization(  # noqa: N802 -- polkit's own
        self,
        subject: Any,
        action: str,
        _details: Any,
        flags: int,
        _cancellation: str,
        reply: Any,
        error: Any,
    ) -> None:
        kind, details = subject
        self.asked = f"{kind} {details['name']} {action} {flags}"
        authorised, challenge, seconds = self.answer
        if action.endswith("unheard-of"):
            error(dbus.DBusException("no such action", name=f"{NAME}.Error.Failed"))
            return

        def answer() -> bool:
            reply((authorised, challenge, dbus.Dictionary({}, signature="ss")))
            return False

        GLib.timeout_add(int(seconds * 1000), answer)

    @dbus.service.method(TEST, in_signature="bbd")  # type: ignore[untyped-decorator]
    def SetAnswer(self, authorised: bool, challenge: bool, seconds: float) -> None:  # noqa: N802, FBT001
        self.answer = (bool(authorised), bool(challenge), float(seconds))

    @dbus.service.method(TEST, out_signature="s")  # type: ignore[untyped-decorator]
    def Asked(self) -> str:  # noqa: N802
        return self.asked


def main() -> None:
    """Serve until killed."""
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    authority = Authority(bus)
    name = dbus.service.BusName(NAME, bus, do_not_queue=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()
    del name, authority


if __name__ == "__main__":
    main()
