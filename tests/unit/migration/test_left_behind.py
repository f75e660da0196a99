"""What is known of data-roots that were moved from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dockcfgd.migration.left_behind import (
    belongings,
    forget,
    in_use,
    keep,
    left_behind,
    note,
    why_not_freed,
)
from dockcfgd.roots.stamp import stamp_of


def test_it_is_noted_and_forgotten(tmp_path: Path) -> None:
    records, old = tmp_path / "left", tmp_path / "old"
    old.mkdir()
    assert left_behind(str(records)) == ()
    note(str(records), path=str(old), moved_to="/srv/new", transaction="T1", at=5.0)
    [one] = left_behind(str(records))
    assert (one.path, one.moved_to, one.transaction, one.at) == (str(old), "/srv/new", "T1", 5.0)
    assert one.stamp == stamp_of(str(old)) != ""
    (old / "an engine started here").mkdir()
    assert one.stamp != stamp_of(str(old))
    assert belongings(one) == (str(old),)
    forget(str(records), path="/elsewhere")
    assert len(left_behind(str(records))) == 1
    forget(str(records), path=str(old))
    assert left_behind(str(records)) == ()


def test_a_file_that_says_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "T1.json").write_text("{")
    (tmp_path / "T2.json").write_text(json.dumps({"schema": 2}))
    assert left_behind(str(tmp_path)) == ()


def test_of_two_that_lie_in_each_other_only_what_was_left(tmp_path: Path) -> None:
    records, outer = tmp_path / "left", tmp_path / "docker"
    inner = outer / "100000.100000"
    for name in ("100000.100000", "dockcfgd", "image", "overlay2"):
        (outer / name).mkdir(parents=True)
    note(str(records), path=str(outer), moved_to=str(inner), transaction="T1", at=1.0)
    note(str(records), path=str(inner), moved_to=str(outer), transaction="T2", at=2.0)
    first, second = left_behind(str(records))
    assert belongings(first) == (f"{outer}/image", f"{outer}/overlay2")
    assert belongings(second) == (str(inner),)


def test_of_a_place_that_is_left_again_the_older_note_goes(tmp_path: Path) -> None:
    records = tmp_path / "left"
    for number in (1, 2):
        note(str(records), path="/srv/old", moved_to="/srv/new", transaction=f"T{number}", at=1.0)
    assert [one.transaction for one in left_behind(str(records))] == ["T2"]


def test_what_must_not_be_removed(tmp_path: Path) -> None:
    records, outer = str(tmp_path / "left"), tmp_path / "docker"
    inner = outer / "100000.100000"
    (inner / "image").mkdir(parents=True)
    (outer / "image").mkdir()
    note(records, path=str(outer), moved_to=str(inner), transaction="T1", at=1.0)
    [one] = left_behind(records)
    assert why_not_freed(one, str(inner)) == ""
    assert why_not_freed(one, f"{outer}/") == "it is the data-root in use"
    assert "lies in it" in in_use(one, str(outer / "image"))
    elsewhere = replace(one, moved_to="/srv/new")
    assert "lies in it" in in_use(elsewhere, str(inner))
    assert why_not_freed(elsewhere, "/srv/new") == ""
    (outer / "made since").mkdir()
    assert why_not_freed(one, str(inner)) == "it was used again since"
    keep(records, replace(one, freeing=True))
    [begun] = left_behind(records)
    assert why_not_freed(begun, str(inner)) == ""
    assert why_not_freed(replace(one, path=str(tmp_path / "gone")), str(inner)) == ""
