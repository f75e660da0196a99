"""A message bus of a test's own, and the fake systemd on it; both end with the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]

# A killed test leaves no bus behind.
_WITH_US = ("setpriv", "--pdeathsig", "KILL")

_OPEN = """
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow eavesdrop="true"/>
  </policy>
"""

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  {policy}
</busconfig>
"""


class PrivateBus:
    """A dbus-daemon where everybody may do everything, or what the elements of `policy` say."""

    def __init__(self, *, policy: str = _OPEN) -> None:
        self._policy = policy
        self._cleanup = ExitStack()
        self.address = ""

    def __enter__(self) -> Self:
        # A socket's path has room for some hundred bytes only, too few for a test's own folder.
        folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bus-")))
        folder.chmod(0o755)
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(socket=folder / "socket", policy=self._policy))
        self._daemon = subprocess.Popen(
            [*_WITH_US, "dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._cleanup.callback(self.stop)
        assert self._daemon.stdout is not None
        self.address = self._daemon.stdout.readline().strip()
        assert self.address, "dbus-daemon did not start"
        return self

    def stop(self) -> None:
        """End the bus, as if it had crashed."""
        self._daemon.kill()
        self._daemon.wait()
        assert self._daemon.stdout is not None
        self._daemon.stdout.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()


class FakeSystemd:
    """The fake systemd as a subprocess; the docstring of `fake_systemd.__main__` says what it does.

    `options` are command line options of it, such as `["--on-start", "CMD"]`.
    """

    def __init__(self, address: str, options: Sequence[str] = ()) -> None:
        self._address = address
        self._options = options

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fake_systemd", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self._address, "PYTHONPATH": str(ROOT)},
        )
        assert self._output.readline() == "ready\n", "the fake systemd did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._input.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._output.close()

    def rules(self, **rules: Any) -> None:
        """Set fields of `behaviour.Rules`."""
        self._tell("rules", rules)

    def set_unit(self, name: str, **properties: Any) -> None:
        """Set properties of a unit (a new one if need be), and tell those who listen."""
        self._tell("set-unit", {"name": name, "properties": properties})

    def unit(self, name: str) -> dict[str, Any]:
        """Give those properties of a unit that were ever set."""
        properties: dict[str, Any] = self._tell("unit", name)
        return properties

    def calls(self, *methods: str) -> list[list[Any]]:
        """Give the calls of these methods (none: of all) so far: method, then arguments."""
        calls: list[list[Any]] = self._tell("calls", None)
        return [call for call in calls if not methods or call[0] in methods]

    def given(self, name: str) -> dict[str, Any]:
        """Give the properties that a transient unit of this name was last started with."""
        given: dict[str, Any] = self._tell("given", name)
        return given

    def leave(self) -> None:
        """Go off the bus; jobs go on, but nobody hears of them."""
        self._tell("leave", None)

    def come_back(self) -> None:
        """Come back under a new unique name, as systemd does when it executes itself anew."""
        self._tell("come-back", None)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process meanwhile; it keeps its name and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def _input(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _tell(self, command: str, argument: Any) -> Any:
        self._input.write(json.dumps([command, argument]) + "\n")
        self._input.flush()
        answer = self._output.readline()
        assert answer, "the fake systemd ended"
        return json.loads(answer)
