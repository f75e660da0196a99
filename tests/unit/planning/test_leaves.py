from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.model.desired import Json
from dockcfgd.planning import leaves

_NAMES = st.sampled_from(["a", "b", "c", "runtimes", "log-opts"])
_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers()),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, max_size=4)


@given(_DOCUMENTS)
def test_leaves_put_together_are_the_document(document: dict[str, Json]) -> None:
    rebuilt: dict[str, Json] = {}
    for path, value in leaves.flatten(document).items():
        leaves.put(rebuilt, path, value)
    assert rebuilt == document


@given(_DOCUMENTS)
def test_every_leaf_can_be_got(document: dict[str, Json]) -> None:
    for path, value in leaves.flatten(document).items():
        assert leaves.get(document, path) == value


@given(_DOCUMENTS)
def test_all_leaves_removed_leave_nothing(document: dict[str, Json]) -> None:
    emptied = copy.deepcopy(document)
    for path in leaves.flatten(document):
        leaves.remove(emptied, path)
    assert emptied == {}


@given(_DOCUMENTS, _DOCUMENTS)
def test_removing_a_leaf_spares_the_others(one: dict[str, Json], other: dict[str, Json]) -> None:
    flat = leaves.flatten(one)
    gone = set(leaves.flatten(other)) & set(flat)
    rest = copy.deepcopy(one)
    for path in gone:
        leaves.remove(rest, path)
    assert leaves.flatten(rest) == {path: flat[path] for path in flat if path not in gone}


def test_lists_and_entries_of_runtimes_are_whole() -> None:
    document: dict[str, Json] = {
        "dns": ["1.1.1.1"],
        "log-opts": {"max-size": "1m"},
        "runtimes": {"crun": {"path": "/usr/bin/crun", "options": {"x": 1}}},
        "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 1}},
        "builder": {"gc": {"enabled": True}},
        "empty": {},
    }
    assert list(leaves.flatten(document)) == [
        ("dns",),
        ("log-opts", "max-size"),
        ("runtimes", "crun"),
        ("default-ulimits", "nofile"),
        ("builder", "gc", "enabled"),
        ("empty",),
    ]


def test_absent_is_not_null() -> None:
    assert leaves.get({"a": None}, ("a",)) is None
    assert leaves.get({"a": None}, ("a", "b")) is leaves.ABSENT
    assert leaves.get({}, ("a",)) is leaves.ABSENT


def test_put_makes_a_table_of_what_stands_in_the_way() -> None:
    document: dict[str, Json] = {"a": 3}
    leaves.put(document, ("a", "b"), [1])
    assert document == {"a": {"b": [1]}}


def test_what_was_put_does_not_change_with_its_source() -> None:
    value: list[Json] = [1]
    document: dict[str, Json] = {}
    leaves.put(document, ("a",), value)
    value.append(2)
    assert document == {"a": [1]}


def test_removing_spares_tables_that_hold_more() -> None:
    document: dict[str, Json] = {"t": {"a": 1, "b": {"c": 1}}}
    leaves.remove(document, ("t", "b", "c"))
    leaves.remove(document, ("t", "no", "such"))
    assert document == {"t": {"a": 1}}
