"""Each check on a host that is well, and on one that has what it looks for."""

from __future__ import annotations

import pytest

from dockcfgd.doctor.case import Case
from dockcfgd.doctor.checks import CHECKS, findings_of
from dockcfgd.doctor.finding import Level
from tests.unit.doctor.cases import CASES
from tests.unit.doctor.surroundings import Ward


@pytest.fixture(scope="module")
def well() -> Case:
    return Ward().case()


def _texts(case: Case, check: str) -> list[tuple[Level, str]]:
    return [
        (one.level, f"{one.what}: {one.why} -> {one.remedy}")
        for name, one in findings_of(case)
        if name == check
    ]


def test_a_host_that_is_well_has_nothing_to_be_seen_to(well: Case) -> None:
    bad = [one for _, one in findings_of(well) if one.level in {Level.WARNING, Level.ERROR}]
    assert bad == []


@pytest.mark.parametrize("name", CASES)
def test_a_check_finds_what_it_looks_for(name: str, well: Case) -> None:
    change, check, level, words = CASES[name]
    found = _texts(change(well), check)
    assert [one for one in found if one[0] is level and words in one[1]], found
    if level in {Level.WARNING, Level.ERROR, Level.INFO}:
        assert not [one for one in _texts(well, check) if words in one[1]]
    else:
        assert not [one for one in found if one[0] in {Level.WARNING, Level.ERROR}]


def test_what_dockcfgd_keeps_is_not_to_be_removed_by_hand(well: Case) -> None:
    change, check, _, _ = CASES["left over, as dockcfgd keeps it"]
    assert not [text for _, text in _texts(change(well), check) if "rm -rf" in text]


def test_every_check_has_a_case() -> None:
    names = {f"{one.__module__.rpartition('.')[2]}.{one.__name__}" for one in CHECKS}
    assert names == {check for _, check, _, _ in CASES.values()}


def test_every_trouble_has_a_reason_and_a_way_out(well: Case) -> None:
    for change, _, _, _ in CASES.values():
        for _, one in findings_of(change(well)):
            assert one.level not in {Level.WARNING, Level.ERROR} or (one.why and one.remedy), one
