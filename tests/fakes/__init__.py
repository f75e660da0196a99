"""Working fakes of all ports: a Docker host in memory. The contract tests keep them honest."""

from __future__ import annotations

from tests.fakes.clock import FakeClock
from tests.fakes.cuts import Crash, Cuts
from tests.fakes.files import FakeFiles
from tests.fakes.host import FakeHost

__all__ = ["Crash", "Cuts", "FakeClock", "FakeFiles", "FakeHost"]
