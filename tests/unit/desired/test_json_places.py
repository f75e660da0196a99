from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockcfgd.desired.json_places import key_places
from dockcfgd.model.desired import KeyPath


def _paths(document: object, prefix: KeyPath = ()) -> set[KeyPath]:
    if not isinstance(document, dict):
        return set()
    paths = {(*prefix, name) for name in document}
    return paths.union(*(_paths(item, (*prefix, name)) for name, item in document.items()))


_DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(
        st.integers() | st.text() | st.lists(st.fixed_dictionaries({"in": st.none()}), max_size=2),
        lambda inner: st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@settings(deadline=None)
@given(_DOCUMENTS, st.sampled_from([None, 0, 2]))
def test_every_key_has_a_line_and_none_is_repeated(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    places = key_places(text)
    assert set(places.lines) == _paths(document)
    assert places.repeated == {}
    lines = text.split("\n")
    for path, line in places.lines.items():
        assert json.dumps(path[-1]) in lines[line - 1]


@pytest.mark.parametrize(
    ("text", "lines", "repeated"),
    [
        ('{"a": 1,\n"a": 2}', {("a",): 2}, {("a",): (1, 2)}),
        ('{"a": {"b": 1,\n"b": 2,\n"b": 3}}', {("a",): 1, ("a", "b"): 3}, {("a", "b"): (1, 2, 3)}),
        ('{"a": [{"b": 1,\n"b": 2}],\n"c": "}"}', {("a",): 1, ("c",): 3}, {}),
        ("null", {}, {}),
    ],
)
def test_lines(
    text: str, lines: dict[KeyPath, int], repeated: dict[KeyPath, tuple[int, ...]]
) -> None:
    places = key_places(text)
    assert places.lines == lines
    assert places.repeated == repeated
