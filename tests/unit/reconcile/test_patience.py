from __future__ import annotations

from dockcfgd.reconcile.patience import Patience
from tests.fakes.clock import FakeClock


def test_waits_longer_each_time() -> None:
    clock = FakeClock()
    patience = Patience(clock)
    assert patience.left is None
    assert not patience.holds("one")
    for pause in (30, 60, 120, 240, 300, 300):
        patience.lose("one", "why", edited=False)
        assert patience.left == pause
        clock.advance(pause - 1)
        assert patience.holds("one")
        clock.advance(1)
        assert not patience.holds("one")
        assert patience.left == 0


def test_an_edit_is_waited_out_for_a_moment() -> None:
    patience = Patience(FakeClock())
    patience.lose("one", "why", edited=True)
    assert patience.left == 0.5
    patience.lose("one", "why", edited=True)
    assert patience.left == 1


def test_another_state_need_not_wait_and_begins_anew() -> None:
    patience = Patience(FakeClock())
    patience.lose("one", "why", edited=False)
    patience.lose("one", "why", edited=False)
    assert not patience.holds("two")
    patience.lose("two", "why", edited=False)
    assert patience.left == 30
    assert not patience.holds("one")


def test_why_is_kept() -> None:
    patience = Patience(FakeClock())
    patience.lose("a", "the disk is full", edited=False)
    assert patience.reason == "the disk is full"


def test_the_wait_ends_once() -> None:
    patience = Patience(FakeClock())
    patience.lose("one", "why", edited=False)
    patience.end_wait()
    assert patience.left is None
    assert not patience.holds("one")
    patience.lose("one", "why", edited=False)
    assert patience.left == 60
    patience.regain()
    assert patience.left is None
    assert not patience.holds("one")
