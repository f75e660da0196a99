"""A real terminal: a shell in tmux, whose keys are sent and whose screen is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["Terminal"]

_PATIENCE = 20.0
_CTL = "from dockcfgd.cli.main import main; raise SystemExit(main())"


class Terminal:
    """A bash in which `dockcfgctl` is this tree's; `folder` is where its socket goes."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        columns: int = 80,
        lines: int = 24,
    ) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(folder / "tmux")]
        self._size = ["-x", str(columns), "-y", str(lines)]
        keep = {name: value for name, value in environment.items() if name.startswith("DOCKCFGD_")}
        self._environment = {
            "PATH": environment["PATH"],
            "HOME": str(folder),
            "TERM": "tmux-256color",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **keep,
        }
        self._program = folder / "dockcfgctl-shell"

    def __enter__(self) -> Self:
        if shutil.which("tmux") is None:
            pytest.skip("there is no tmux here")
        # Debian's bash reads /etc/bash.bashrc first, which has a prompt of its own.
        self._program.write_text(
            f"PS1='$ '\ndockcfgctl() {{ {sys.executable} -c '{_CTL}' \"$@\"; }}\n"
        )
        words = [f"{name}={value}" for name, value in self._environment.items()]
        shell = ["env", "-i", *words, "bash", "--noprofile", "--rcfile", str(self._program), "-i"]
        self._run("-u", "new-session", "-d", *self._size, *shell)
        try:
            self.until("$")
        except BaseException:
            self._run("kill-server")
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run("kill-server")

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self.press(line, "Enter")

    def press(self, text: str, key: str = "") -> None:
        """Type a text, then a key by tmux's name for it."""
        if text:
            self._run("send-keys", "-l", "--", text)
        if key:
            self._run("send-keys", key)

    def screen(self, *, colours: bool = False) -> str:
        """Give what is on the screen; with `colours`, also the sequences that make them."""
        return self._run("capture-pane", "-p", *(["-e"] if colours else []))

    def until(self, text: str, *, gone: bool = False) -> str:
        """Wait until a text is on the screen, or `gone` from it; give the screen."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            screen = self.screen()
            if (text in screen) != gone:
                return screen
            assert time.monotonic() < deadline, (
                f"{text!r} {'stays' if gone else 'is not'} on:\n{screen}"
            )
            time.sleep(0.05)

    def resize(self, columns: int) -> None:
        """Make it wider or narrower."""
        self._run("resize-window", "-x", str(columns))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, check=False, timeout=10
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
