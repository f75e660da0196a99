"""Writes conf.example.toml: every table and key of a desired state, all of it commented out.

    python -m dockcfgd.engine_keys.example > conf.example.toml

A line that begins with `#` and no blank is a setting; with the `#` taken away it is valid TOML.
"""

from __future__ import annotations

import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.facts import fact_lines, toml_value
from dockcfgd.engine_keys.key import FileRule, Key, NoDefault
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["example_text", "main", "setting"]

_WIDTH = 100

_HEAD = """\
# dockcfgd: the desired state of this host.
#
# Read from /etc/dockcfgd/conf.toml and then from conf.d/*.toml in /usr/lib/dockcfgd, /run/dockcfgd
# and /etc/dockcfgd, in the order of the file names; a file in /etc hides one of the same name in
# /run, and that one in /usr/lib. Tables are merged, values and lists replaced by the later file.
# As it stands this file manages nothing. "dockcfgctl validate FILE" checks a file,
# "dockcfgctl plan FILE" tells what it would do.

schema = 1

# Takes keys of earlier files away. It must stand above the first table.
#unset = ["engine.log-opts.max-file"]
"""

_ENGINE = """\
# Keys of daemon.json under their own names. What is not named here stays as it is.
# Each key is shown with its default, or with an example where there is none worth showing.
# What a change takes:
#   reload         the engine reads its file again; containers notice nothing
#   restart        the engine restarts; containers run on where policy.restart is "bridged"
#   plain restart  the engine restarts; containers are stopped and started again
#   migration      images and containers are carried over to the new storage
# features.cdi = true may as well be written as cdi = true below [engine.features].
[engine]
"""

_OTHERS = """\

# Keys that this release does not know yet, passed on without any check.
[engine-extra]
#a-key-of-tomorrow = true


# The drop-in of docker.service.
[service]
# Environment of dockerd.
#environment = { HTTPS_PROXY = "http://proxy.example.com:3128" }
# Further flags of dockerd. A flag and a key of the same meaning together are refused.
#arguments = ["--containerd-plugins-namespace=plugins.moby"]

# Any setting of the unit, by section (Unit, Service, Install). A list gives several lines.
[service.unit.Service]
#LimitNOFILE = 1048576
#OOMScoreAdjust = -500


[policy]
# The largest action by itself for changed files: none, reload, restart, migrate. More waits as
# pending for "dockcfgctl apply". What is done against drift it does not bound.
#max-impact = "migrate"
# What to do when the host no longer is as it was left: revert, report or adopt.
# adopt: a hand edit of daemon.json becomes TOML, in conf.d/90-adopted.toml.
#on-drift = "revert"
# The largest action by itself against such a drift, also where max-impact is less; more waits as
# pending for "dockcfgctl apply". What was adopted has to keep to both.
#drift-max-impact = "reload"
# bridged: containers run on through a restart wherever the engine can. plain: they stop.
#restart = "bridged"
# What happens to keys of daemon.json that are not named here: keep or remove.
#unmanaged-keys = "keep"
# More than 0: a proven change goes back unless "dockcfgctl confirm" comes in time.
#confirm-timeout = "0s"
# Restart and migration wait for one: systemd calendar expressions with a length, as in
# ["Sat,Sun 02:00/2h"]. "dockcfgctl apply" does not wait.
#maintenance-windows = []


[verify]
# Counted from the end of the old engine process; never less than 3 times the slowest start so far.
#timeout = "90s"
# How long the engine must stay up before it counts.
#settle = "5s"
# running-before: what ran must run again. none: not looked at.
#containers = "running-before"
# Commands of the shell, run as root, that must exit 0 after a change; else it goes back. As in
# ["curl -fsS http://127.0.0.1:8080/health"].
#commands = []


# Made before images and containers are touched, by schedule, and by `dockcfgctl backup create`.
[backup]
#directory = "/var/lib/dockcfgd/backups"
# How many are kept of those that a migration made, and of those that the schedule made.
#keep = 3
# Archives the content of volumes too, but for a migration, which leaves volumes as they are.
#volumes = false
# What becomes of running containers while what they have written is read: pause, stop or none.
#consistency = "pause"
# When one is made by itself, a calendar expression of systemd as "daily" or "Sat 03:00".
#schedule = ""


# Changes of the storage driver.
[storage]
# Creates the containers again on the new driver.
#migrate-containers = true
# Keeps the data of the old driver (false is not in this release).
#keep-previous = true
"""


def example_text() -> str:
    """Give the whole file."""
    return "\n".join((_HEAD, _ENGINE + "\n".join(_engine_lines()), _OTHERS))


def setting(key: Key) -> str:
    """Give the key's line as TOML, with its example or else its default."""
    example = key.example
    value = key.default if isinstance(example, NoDefault) else example
    if isinstance(value, NoDefault):
        raise TypeError(f"cannot show {key.name}: it has neither default nor example")
    return f"{key.name} = {toml_value(value)}"


def main() -> None:
    """Write the file to standard output."""
    sys.stdout.write(example_text())


def _engine_lines() -> Iterator[str]:
    keys = [key for key in table().keys.values() if key.file is FileRule.READ]
    for group, members in groupby(keys, key=lambda key: key.group):
        title = f"-- {group} "
        yield f"\n# {title}{'-' * (_WIDTH - 2 - len(title))}"
        for key in members:
            yield ""
            for line in fact_lines(key):
                yield from _comment(line)
            yield f"#{setting(key)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2, break_on_hyphens=False)]


if __name__ == "__main__":
    main()
