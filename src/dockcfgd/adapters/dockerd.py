"""The installed dockerd as a command: its version, and its own check of a daemon.json.

`dockerd --validate` is there from 23.0 on. It runs the loader of the configuration and nothing
more, but for one side effect: with `userns-remap` set to `default` it makes a system user and its
subordinate IDs. So that key is taken out of what it is given.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence

from dockcfgd.adapters.scratch import scratch_folder

__all__ = ["DockerdValidator"]

_RUNTIME_FOLDER = "/run/dockcfgd"
_CONFIG_FILE = "/etc/docker/daemon.json"
_FIRST_WITH_CHECK = 23
_VERSION_SECONDS = 10.0
_CHECK_SECONDS = 20.0

_VERSION = re.compile(r"Docker version ([^\s,]+)")
_LOG_LINE = re.compile(r'time="?[^ ]+ level=(?:debug|info|warning) ')
# A wrong flag is told of with all of the help text behind it.
_USAGE = "Status: "
_TAKE_A_VALUE = {"--config-file", "--userns-remap"}


class DockerdValidator:
    """The engine's own check (ports.Validator). The copy to check lies in `folder` for a moment."""

    def __init__(self, *, folder: str = _RUNTIME_FOLDER) -> None:
        self._folder = folder

    def check(self, binary: str, flags: Sequence[str], content: bytes) -> tuple[str, ...] | None:
        """Give the complaints, with the real file's path; None also where it does not answer.

        `flags` are the unit's own, for the check finds what is set in both places. A
        `--config-file` among them says what the real path is. FileFailure where there is no room
        for the copy.
        """
        major = self.version(binary).partition(".")[0]
        if not major.isdecimal() or int(major) < _FIRST_WITH_CHECK:
            return None
        kept, config_file = _without(flags)
        with scratch_folder(self._folder, prefix="validate-") as made:
            copy = made / "daemon.json"
            copy.write_bytes(_harmless(content))
            command = [binary, "--validate", f"--config-file={copy}", *kept]
            done = _run(command, limit=_CHECK_SECONDS)
            if done is None:
                return None
            return _complaints(done, copy=str(copy), real=config_file)

    def version(self, binary: str) -> str:
        """Give the version as the engine writes it, distribution's suffix included, or nothing."""
        done = _run([binary, "--version"], limit=_VERSION_SECONDS)
        found = None if done is None else _VERSION.search(done.stdout)
        return found[1] if found else ""


def _run(command: Sequence[str], *, limit: float) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _without(flags: Sequence[str]) -> tuple[list[str], str]:
    """Take out what the check has its own of, and the flag with the side effect."""
    kept: list[str] = []
    config_file = _CONFIG_FILE
    left = list(flags)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in _TAKE_A_VALUE:
            value = value if equals or not left else left.pop(0)
            config_file = value if name == "--config-file" else config_file
        elif name != "--validate":
            kept.append(word)
    return kept, config_file


def _harmless(content: bytes) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(document, dict) or "userns-remap" not in document:
        return content
    return json.dumps({k: v for k, v in document.items() if k != "userns-remap"}).encode()


def _complaints(done: subprocess.CompletedProcess[str], *, copy: str, real: str) -> tuple[str, ...]:
    if done.returncode == 0:
        return ()
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines()]
    if lines and lines[0].startswith(_USAGE):
        return (lines[0].removeprefix(_USAGE),)
    told = [line.replace(copy, real) for line in lines if line and not _LOG_LINE.match(line)]
    return tuple(told) or (f"dockerd --validate ends with status {done.returncode}",)
