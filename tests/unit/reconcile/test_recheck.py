from __future__ import annotations

from dataclasses import replace

from dockcfgd.model.host import EngineDown, UnitFile
from dockcfgd.reconcile.recheck import Recheck, folders_of
from tests.fakes.clock import FakeClock
from tests.golden.described_host import host_of

_WELL = host_of({})
_SILENT = replace(_WELL, engine=EngineDown("cannot reach the engine: no answer within 10 s"))


def test_a_silent_engine_is_looked_at_again_after_longer_and_longer() -> None:
    clock = FakeClock()
    recheck = Recheck(clock)
    pauses = []
    for _ in range(6):
        recheck.note(_SILENT)
        left = recheck.left
        assert left is not None
        pauses.append(left)
        clock.advance(left)
    assert pauses == [5, 10, 20, 40, 60, 60]
    recheck.note(_WELL)
    assert recheck.left is None


def test_looks_in_between_do_not_put_it_off() -> None:
    clock = FakeClock()
    recheck = Recheck(clock)
    recheck.note(_SILENT)
    clock.advance(3)
    recheck.note(_SILENT)
    assert recheck.left == 2


def test_a_stopped_engine_needs_no_looks() -> None:
    recheck = Recheck(FakeClock())
    recheck.note(replace(_SILENT, unit=replace(_WELL.unit, active_state="inactive", main_pid=0)))
    recheck.note(None)
    assert recheck.left is None


def test_folders_of_what_a_start_reads() -> None:
    files = (UnitFile("/etc/default/docker", ""), UnitFile("/etc/sysconfig/docker", ""))
    host = replace(_WELL, environment_files=files)
    assert folders_of(host) == {"/etc/docker", "/etc/default", "/etc/sysconfig"}
