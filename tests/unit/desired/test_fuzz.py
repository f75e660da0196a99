"""The loader against bytes that nobody meant, and documents whose lines are known.

Derandomised: every run sees the same cases.
"""

from __future__ import annotations

import contextlib
import math
import time
import tomllib
from pathlib import Path

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.desired.lines import key_lines
from dockcfgd.desired.parse import parse
from dockcfgd.desired.scan import TooMuch, scan
from dockcfgd.desired.toml import Toml, dotted_key, read_toml
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import KeyPath, dotted
from dockcfgd.model.errors import Finding, InvalidDesiredState
from tests.fakes.files import FakeFiles
from tests.unit.desired.reading import CONF, ETC, loaded_from
from tests.unit.engine_keys.test_example import uncommented

EXAMPLE = (Path(__file__).parents[3] / "conf.example.toml").read_bytes()
WHOLE = uncommented().encode()
LONGEST = 1.0

fixed = settings(
    derandomize=True,
    database=None,
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

_MARKS = b"[|]|[[|]]|{|}|=|.|,|#|\"|'|\"\"\"|'''|\\|\\u00e9|\\UFFFFFFFF".split(b"|")
_WORDS = b"a|\"b\"|'c'|engine|engine-extra|service|unset|log-opts|unset = ['a.b']".split(b"|")
_ATOMS = b"1|-0|0xF|1_0|1e400|nan|inf|true|1979-05-27 07:32:00Z".split(b"|")
_ODD = [b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\xff", b"\xef\xbb", b"\xc2\xa0", b"\x0b"]
_MUCH = [b"9" * 30, b"9" * 5000, b"[" * 40, b"a." * 40]
_PIECES = st.sampled_from([*_MARKS, *_WORDS, *_ATOMS, *_ODD, *_MUCH])


def _as_text(pieces: list[bytes]) -> str:
    return b"".join(pieces).decode("utf-8", "replace")


_PATCHWORK = st.lists(_PIECES, max_size=40).map(_as_text)


def judged(*contents: bytes) -> None:
    """Read as the daemon does: a desired state or findings, and soon."""
    files = FakeFiles()
    files.put(CONF, contents[0])
    for number, content in enumerate(contents[1:]):
        files.put(f"{ETC}/{number}.toml", content)
    start = time.process_time()
    for finding in _findings(files):
        assert finding.message
        assert len(finding.text()) < 10_000
    assert time.process_time() - start < LONGEST


def _findings(files: FakeFiles) -> tuple[Finding, ...]:
    try:
        parse(loaded_from(files), version=EngineVersion(29, 7, 2))
    except InvalidDesiredState as invalid:
        return invalid.findings
    return ()


@fixed
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_any_bytes(contents: list[bytes]) -> None:
    judged(*contents)


@fixed
@given(st.lists(_PIECES, max_size=60).map(b"".join), st.lists(_PIECES, max_size=20).map(b"".join))
def test_pieces_of_toml(one: bytes, other: bytes) -> None:
    judged(one, other)


@fixed
@given(st.data())
def test_documents_with_a_slip(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from([EXAMPLE, WHOLE]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        gone = data.draw(st.sampled_from([0, 0, 1, 5, 500]))
        content = content[:at] + data.draw(_PIECES) + content[at + gone :]
    judged(content)


@fixed
@given(st.integers(0, len(WHOLE)))
def test_a_file_half_written(length: int) -> None:
    judged(WHOLE[:length])


# The writer loses a carriage return in a text over lines.
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
_NAMES = _TEXTS | st.sampled_from(["a", "b", "c-d", "e_f", "1", "x y", "a.b", '"', "'"])
_SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | _TEXTS
    | st.dates()
    | st.datetimes()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


@fixed
@given(st.dictionaries(_NAMES, _VALUES, max_size=5), st.booleans())
def test_what_is_written_is_read(document: dict[str, object], multiline: bool) -> None:  # noqa: FBT001 -- drawn
    text = tomli_w.dumps(document, multiline_strings=multiline)
    read = read_toml(text, shown="x")
    assert isinstance(read, Toml), read
    assert read.document == document
    assert set(read.lines) == _paths(document, ())


@fixed
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=1, max_size=5))
def test_a_dotted_key_is_read_as_it_is_written(names: list[str]) -> None:
    written = ".".join(tomli_w.dumps({name: 0}).removesuffix(" = 0\n") for name in names)
    assert dotted_key(written) == tuple(names)
    if all(name.isalnum() for name in names):
        assert dotted_key(dotted(tuple(names))) == tuple(names)


@fixed
@given(st.text(max_size=300) | _PATCHWORK)
def test_scanning_agrees_with_the_parser(text: str) -> None:
    try:
        tokens = scan(text)
    except TooMuch:
        return
    assert "".join(token.text for token in tokens) == text[: sum(len(t.text) for t in tokens)]
    with contextlib.suppress(ValueError):
        document = tomllib.loads(text)
        assert sum(len(token.text) for token in tokens) == len(text)
        assert set(key_lines(tokens)) == _paths(document, ())


# Every leaf of these says itself on which line it stands.
_BARE = st.sampled_from(["a", "b", "c", "'d e'", '"f.g"', '"h\\"i"', "4"])


@st.composite
def _numbered(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["table", "array", "pair", "pair", "pair", "noise"]))
        key = ".".join(draw(st.lists(_BARE, min_size=1, max_size=3)))
        before = len(lines)
        if kind == "table":
            lines.append(f"[{key}]")
        elif kind == "array":
            lines.append(f"[[ {key} ]] # {key} = 0")
        elif kind == "noise":
            lines += draw(st.sampled_from([[""], ["# a = 0"], ["", "#[[a]]"], ["\t# '''"]]))
        else:
            lines += _pair(draw, key, before + 1)
        try:
            tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError:
            del lines[before:]
    return "\n".join(lines)


def _pair(draw: st.DrawFn, key: str, line: int) -> list[str]:
    match draw(st.sampled_from(["plain", "text", "literal", "list", "inline", "tables"])):
        case "plain":
            return [f"{key} = {line}"]
        case "text":
            return [f'{key} = """{line} \\', "  x = 0", '[a] # \\""" """""']
        case "literal":
            return [f"{key} = '''{line}", "[[b]]", "''''"]
        case "list":
            first, second = line + 1, line + 3
            return [f"{key} = [ # [", f" {first}, {first},", "", f' "{second} ]", # x', "]"]
        case "inline":
            return [f"{key} = {{ x = {line}, y.'z z' = [{line}, '{line} }}'], w = {{}} }}"]
        case _:
            first, second, third = line + 1, line + 2, line + 3
            return [f"{key} = [", f"{{ x = {first} }},", f"{{ x = [{second},", f"{third}] }}]"]


@fixed
@given(_numbered())
def test_every_leaf_stands_where_it_says(text: str) -> None:
    read = read_toml(text, shown="x")
    assert isinstance(read, Toml), read
    leaves = list(_leaves(read.document, ()))
    for path, value in leaves:
        assert read.lines[path] == int(str(value).split()[0]), (path, text)


def _leaves(value: object, path: KeyPath) -> list[tuple[KeyPath, object]]:
    if isinstance(value, dict | list):
        return [leaf for name, inner in _members(value) for leaf in _leaves(inner, (*path, name))]
    return [(path, value)]


def _members(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return [(str(number), inner) for number, inner in enumerate(value)]
    return []


def _paths(value: object, path: KeyPath) -> set[KeyPath]:
    found = {(*path, name) for name, _ in _members(value)}
    for name, inner in _members(value):
        found |= _paths(inner, (*path, name))
    return found


@fixed
@given(st.lists(_numbered(), min_size=3, max_size=3))
def test_merging_is_the_same_in_one_go_and_in_two(texts: list[str]) -> None:
    """Files one after another mean what a file means that says what the first two mean."""
    files, halves = FakeFiles(), FakeFiles()
    for number, text in enumerate(texts):
        files.put(f"{ETC}/{number}.toml", text)
    for number, text in enumerate(texts[:2]):
        halves.put(f"{ETC}/{number}.toml", text)
    whole = loaded_from(files)
    first = loaded_from(halves)
    both = FakeFiles()
    both.put(f"{ETC}/1.toml", tomli_w.dumps(first.document))
    both.put(f"{ETC}/2.toml", texts[2])
    assert loaded_from(both).document == whole.document
    assert set(whole.sources) == _paths(whole.document, ())
    for path, value in _leaves(whole.document, ()):
        source = whole.sources[path]
        stands = tomllib.loads(files.text(source.file))
        assert source.line == int(str(value).split()[0])
        assert _paths(stands, ()) >= {path}


def test_a_number_without_end_is_no_value_of_the_engine() -> None:
    assert math.isinf(tomllib.loads("x = 1e400")["x"])
    judged(b"[engine-extra]\nx = 1e400")
