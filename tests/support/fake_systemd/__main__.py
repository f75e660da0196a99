"""A systemd on a private bus, as far as jobs and unit properties go.

Run as `python3 -m tests.support.fake_systemd` with DBUS_SYSTEM_BUS_ADDRESS. It says `ready`, then
takes a command a line from standard input, a JSON list of name and argument, answers each with a
line of JSON, and ends with its input. `private_bus.FakeSystemd` starts and tells it.

Hooks stand for what docker.service's process does: `--on-start` decides by its exit status how the
start ends, and its last line, a number, is the main PID; `--on-stop` and `--on-reload` run and are
waited for; `--on-daemon-reload` may print unit properties to set, as JSON:
`{"docker.service": {"DropInPaths": ["/…"]}}`. FAKE_UNIT is the unit's name.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dbus.mainloop.glib
from gi.repository import GLib

from tests.support.fake_systemd.pid1 import Systemd
from tests.support.fake_systemd.units import Unit

if TYPE_CHECKING:
    from collections.abc import Callable


class Commands:
    """What a test may tell the fake, over standard input."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._actions: dict[str, Callable[[Any], Any]] = {
            "rules": systemd.rules.change,
            "set-unit": self._set_unit,
            "unit": lambda name: systemd.find(name).properties,
            "calls": lambda _: systemd.calls,
            "given": systemd.given.get,
            "leave": lambda _: systemd.leave(),
            "come-back": lambda _: systemd.come_back(),
        }

    def obey(self, line: str) -> str:
        """Do a command, give its answer."""
        name, argument = json.loads(line)
        return json.dumps(self._actions[name](argument))

    def _set_unit(self, told: dict[str, Any]) -> None:
        if told["name"] not in self._systemd.units:
            self._systemd.units[told["name"]] = Unit(told["name"])
        unit = self._systemd.units[told["name"]]
        self._systemd.show(unit)
        self._systemd.change(unit, told["properties"])


def main() -> None:
    """Run until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xml", type=Path, default=Path(__file__).parent / "xml" / "252")
    for hook in ("start", "stop", "reload", "daemon-reload"):
        parser.add_argument(f"--on-{hook}", default="", metavar="CMD")
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    commands = Commands(Systemd(parser.parse_args()))
    loop = GLib.MainLoop()

    def told(*_: object) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        print(commands.obey(line), flush=True)
        return True

    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, told)
    print("ready", flush=True)
    loop.run()


main()
