"""Words that come while something is under way."""

from __future__ import annotations

import pytest

from dockcfgd.reconcile.attention import Heedful
from dockcfgd.reconcile.requests import Cancel
from dockcfgd.transaction.executor import Interrupted


def test_each_of_several_cancels_is_answered_once() -> None:
    heedful, answers = Heedful(lambda: None), list[str]()
    wishes = [Cancel("", "root", answers.append) for _ in range(2)]
    for wish in wishes:
        heedful.note_cancel(wish)
    with pytest.raises(Interrupted, match="cancelled by root"):
        heedful.in_task("T1")
    assert answers == ["", ""]
    assert [heedful.withdraw(wish) for wish in wishes] == [False, False]


def test_one_that_nothing_heeded_is_served_later() -> None:
    heedful, answers = Heedful(lambda: None), list[str]()
    other = Cancel("T2", "root", answers.append)
    heedful.note_cancel(other)
    heedful.in_task("T1")
    assert (answers, heedful.withdraw(other), heedful.withdraw(other)) == ([], True, False)
