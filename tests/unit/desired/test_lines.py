from __future__ import annotations

import tomllib

import pytest

from dockcfgd.desired.lines import key_lines as lines_of
from dockcfgd.desired.scan import scan
from dockcfgd.model.desired import KeyPath

_TEXT = '''\
# a comment = with an equals sign
bare = 1
"quoted key" = 2 # [no] = "table"
'literal.key' = 3
dotted.in.parts = 4
spaced . "out" = 5

[table]
multi = """
not = a key
[not.a.table]
"""
after-multi = 1
literal = \'\'\'
also = "not"\'\'\'
list = [
  1, # c = 1
  "] x = 1",
  { in-list = 1 },
]
inline = { x = 1, y.z = [1, 2], "q=r" = "}" }
escaped = "a \\" b = 2 \\\\"
date = 1979-05-27T07:32:00Z

[table.sub."with ] bracket"]
deep = true

[[many]]
name = "first"
[[many]]
name = "second"
[ spaced-table . inner ]
last = false
"uni\\u00e9" = 1
ends = """two quotes"""""
end = 0'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("bare",), 2),
        (("quoted key",), 3),
        (("literal.key",), 4),
        (("dotted",), 5),
        (("dotted", "in"), 5),
        (("dotted", "in", "parts"), 5),
        (("spaced", "out"), 6),
        (("table",), 8),
        (("table", "multi"), 9),
        (("table", "after-multi"), 13),
        (("table", "literal"), 14),
        (("table", "list"), 16),
        (("table", "inline"), 21),
        (("table", "inline", "x"), 21),
        (("table", "inline", "y", "z"), 21),
        (("table", "inline", "q=r"), 21),
        (("table", "escaped"), 22),
        (("table", "date"), 23),
        (("table", "sub", "with ] bracket"), 25),
        (("table", "sub", "with ] bracket", "deep"), 26),
        (("table", "list", "0"), 17),
        (("table", "list", "1"), 18),
        (("table", "list", "2", "in-list"), 19),
        (("table", "inline", "y", "z", "1"), 21),
        (("many",), 28),
        (("many", "0"), 28),
        (("many", "0", "name"), 29),
        (("many", "1"), 30),
        (("many", "1", "name"), 31),
        (("spaced-table", "inner", "last"), 33),
        (("spaced-table", "inner", "unié"), 34),
        (("spaced-table", "inner", "ends"), 35),
        (("spaced-table", "inner", "end"), 36),
    ],
)
def test_each_key_has_its_line(path: KeyPath, line: int) -> None:
    assert lines_of(scan(_TEXT))[path] == line


def test_every_key_that_the_parser_finds_has_a_line() -> None:
    lines = lines_of(scan(_TEXT))
    assert _paths(tomllib.loads(_TEXT), ()) <= set(lines)


def test_nothing_inside_values_counts_as_a_key() -> None:
    assert set(lines_of(scan(_TEXT))) == _paths(tomllib.loads(_TEXT), ())


def test_windows_line_ends() -> None:
    assert lines_of(scan("a = 1\r\n[t]\r\nb = 2\r\n")) == {("a",): 1, ("t",): 2, ("t", "b"): 3}


def _paths(value: object, prefix: KeyPath) -> set[KeyPath]:
    members: list[tuple[str, object]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = [(str(number), inner) for number, inner in enumerate(value)]
    found = {(*prefix, name) for name, _ in members}
    for name, inner in members:
        found |= _paths(inner, (*prefix, name))
    return found
