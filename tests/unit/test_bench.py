"""What `make bench` ends with."""

from __future__ import annotations

import pytest

from roots import MachineUnavailable
from tests.bench import migration


def test_limits_are_not_kept_where_nothing_was_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(suite: str) -> None:
        raise MachineUnavailable(f"cannot make a machine: no {suite}")

    monkeypatch.setattr(migration, "Machine", unavailable)
    assert migration.main() == 1
    said = capsys.readouterr().out
    assert said == "migration: not measured: cannot make a machine: no trixie\n"
