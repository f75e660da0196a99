"""A daemon.json that somebody has edited while a change of it goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.planning import leaves
from dockcfgd.planning.over_edit import over_edit, theirs_in

OLD: dict[str, Any] = {"debug": True, "log-opts": {"max-size": "10m"}}
NEW: dict[str, Any] = {
    **OLD,
    "log-driver": "local",
    "log-opts": {"max-size": "10m", "max-file": "3"},
}
OURS = (leaves.render(OLD), leaves.render(NEW))


def back(theirs: object, *, goal: bytes | None = OURS[0]) -> Any:
    content = over_edit(json.dumps(theirs).encode(), OURS, goal)
    return None if content is None else json.loads(content)


def test_what_is_only_ours_goes_back_to_the_byte() -> None:
    """Somebody has changed owner or mode alone."""
    assert over_edit(OURS[1], OURS, OURS[0]) == OURS[0]
    assert over_edit(OURS[1], OURS, None) is None


def test_a_key_of_theirs_stays() -> None:
    assert back({**NEW, "labels": ["x"]}) == {**OLD, "labels": ["x"]}


def test_a_leaf_in_a_table_of_ours_stays() -> None:
    theirs = {**NEW, "log-opts": {"max-size": "10m", "max-file": "3", "tag": "x"}}
    assert back(theirs) == {"debug": True, "log-opts": {"max-size": "10m", "tag": "x"}}


def test_a_key_of_ours_that_they_have_set_otherwise_stays() -> None:
    assert back({**NEW, "log-driver": "journald"}) == {**OLD, "log-driver": "journald"}


def test_a_key_of_before_that_they_have_removed_stays_away() -> None:
    assert back({"log-driver": "local"}) == {}


def test_a_key_of_before_that_the_change_removes_comes_back() -> None:
    ours = (*OURS, leaves.render({"log-driver": "local"}))
    content = over_edit(b'{"log-driver": "local", "labels": ["x"]}', ours, OURS[0])
    assert json.loads(content or b"") == {**OLD, "labels": ["x"]}


def test_a_file_that_was_not_there_goes_but_for_what_is_theirs() -> None:
    ours = (b"", leaves.render({"debug": True}))
    assert over_edit(b'{"debug":  true}', ours, None) is None
    assert over_edit(b'{"debug": true, "labels": []}', ours, None) == leaves.render({"labels": []})


def test_a_text_with_nothing_of_ours_stays_to_the_byte() -> None:
    theirs = b'{"debug":true,   "log-opts": {"max-size": "10m"}, "labels": []}'
    assert over_edit(theirs, OURS, OURS[0]) == theirs


def test_true_is_not_one() -> None:
    ours = (b'{"debug": true}', b"{}")
    assert over_edit(b'{"debug": 1}', ours, b"{}") == b'{"debug": 1}'


@pytest.mark.parametrize("theirs", [b'{"debug": true,,', b"[]", b"\xff\xfe", b"1"])
def test_what_is_no_document_is_not_touched(theirs: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON object|Expecting|decode"):
        over_edit(theirs, OURS, OURS[0])


def test_contents_that_were_no_documents_either_do_no_harm() -> None:
    assert over_edit(b'{"debug": true}', (b"{,", *OURS), b"{}") == leaves.render({})


_DOCUMENTS = st.dictionaries(
    st.sampled_from(["debug", "labels", "log-driver", "log-opts", "features"]),
    st.one_of(
        st.booleans(),
        st.lists(st.sampled_from("ab"), max_size=2),
        st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2),
    ),
)


@given(old=_DOCUMENTS, new=_DOCUMENTS, theirs=_DOCUMENTS)
def test_nothing_of_the_change_alone_is_left_and_nothing_of_theirs_is_lost(
    old: dict[str, Any], new: dict[str, Any], theirs: dict[str, Any]
) -> None:
    ours, goal = (leaves.render(old), leaves.render(new)), leaves.render(old)
    content = over_edit(json.dumps(theirs, indent=7).encode(), ours, goal)
    assert content is not None
    result, before = leaves.flatten(json.loads(content)), leaves.flatten(old)
    for path, value in leaves.flatten(new).items():
        alone = path not in before or leaves.get(old, path) != value
        if alone and leaves.get(theirs, path) == value and path in result:
            assert result[path] == before.get(path, leaves.ABSENT) or isinstance(value, dict)
    for path, value in leaves.flatten(theirs).items():
        if all(leaves.get(one, path) is leaves.ABSENT for one in (old, new)):
            mine = any(path[: len(one)] == one or one[: len(path)] == path for one in
                       (*before, *leaves.flatten(new)))  # fmt: skip
            assert mine or result[path] == value
    assert over_edit(content, ours, goal) in {content, goal}, "a second time changes more"


def test_what_is_theirs_is_named() -> None:
    content = over_edit(b'{"debug": false, "log-driver": "local", "labels": []}', OURS, OURS[0])
    assert set(theirs_in(content, OURS[0])) == {("debug",), ("labels",), ("log-opts", "max-size")}
    assert theirs_in(None, None) == ()
