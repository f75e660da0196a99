"""The key table's facts, walked: each key with a right value, a wrong one, a wrong release."""

from __future__ import annotations

import tomllib

import pytest

from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.example import setting
from dockcfgd.engine_keys.finding import Code
from dockcfgd.engine_keys.key import FileRule, Key, Shape
from dockcfgd.engine_keys.table import table
from dockcfgd.engine_keys.version import EngineVersion

NEWEST = EngineVersion(29, 7, 2)
OLDEST = EngineVersion(20, 10, 24)
EVERY = list(table().keys.values())
READ = [key for key in EVERY if key.file is FileRule.READ]

_NOT = {
    Shape.BOOL: ("1", '"true"', "[]"),
    Shape.INT: ("true", '"1"', "1.5"),
    Shape.STRING: ("1", "true", '["a"]'),
    Shape.SIZE: ("64", "true", "{}"),
    Shape.DURATION: ("3600", "10:00:00", "[]"),
    Shape.STRINGS: ('"a"', "[1]", "{}"),
    Shape.OBJECTS: ("{}", "[1]", '"a"'),
    Shape.STRING_MAP: ("{ a = 1 }", "[]", "true"),
    Shape.OBJECT_MAP: ("{ a = 1 }", "[]", '"a"'),
    Shape.MAP_MAP: ("{ a = 1 }", "{ a = { b = 1 } }", "[]"),
}
_NOT_IN_FORM = {
    "api-version": "v1",
    "assignment": "no-equals-sign",
    "host": "/run/docker.sock",
    "host-port": "9323",
    "interface": "10.0.0.1",
    "mirror": "mirror.example.com",
    "network": "10.0.0.0",
}


def _line(key: Key, value: str) -> str:
    return f"engine.{key.name} = {value}"


def _text(key: Key, text: str) -> str:
    return _line(key, f'["{text}"]' if key.shape is Shape.STRINGS else f'"{text}"')


WRONG_TYPES = [_line(key, value) for key in READ for value in _NOT[key.shape]]
WRONG_FORMS = [
    *(_text(key, _NOT_IN_FORM[key.form]) for key in READ if key.form in _NOT_IN_FORM),
    *(_line(key, '"no such word"') for key in READ if key.choices),
    *(_line(key, '"12 parsecs"') for key in READ if key.shape in {Shape.SIZE, Shape.DURATION}),
    *(_line(key, str(key.minimum - 1)) for key in READ if key.minimum is not None),
    *(_line(key, str(key.maximum + 1)) for key in READ if key.maximum is not None),
]


def codes(text: str, version: EngineVersion | None) -> list[Code]:
    return [finding.code for finding in check(tomllib.loads(text)["engine"], version)]


def _has(key: Key, version: EngineVersion) -> bool:
    tables = [inner for name, inner in table().tables.items() if key.name.startswith(f"{name}.")]
    starts = [key.since, *(inner.since for inner in tables)]
    since = [first for first in starts if first is not None]
    ended = key.removed is not None and version >= key.removed
    ignored = key.ignored_from is not None and version >= key.ignored_from
    dies = any(fatal.window.holds(version) for fatal in key.fatal)
    return all(version >= first for first in since) and not (ended or ignored or dies)


VERSIONS = [
    *(EngineVersion(major, minor) for major, minor in ((23, 0), (24, 0), (25, 0), (26, 1))),
    *(EngineVersion(major, minor) for major, minor in ((27, 5), (28, 0), (28, 5), (29, 0))),
    OLDEST,
    NEWEST,
]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_shown_value_is_taken_by_the_releases_that_have_the_key(version: EngineVersion) -> None:
    for key in READ:
        found = codes(f"engine.{setting(key)}", version)
        if key.name == "seccomp-profile" and version < EngineVersion(23, 0):
            assert found == [Code.TRAP]  # the default is a word, which was a path then
        elif _has(key, version):
            assert found == [], key.name
        else:
            assert len(found) == 1, key.name
            assert found[0] in {Code.TOO_NEW, Code.REMOVED, Code.IGNORED, Code.FATAL}, key.name


def test_the_default_is_taken_wherever_one_can_be_written() -> None:
    for key in READ:
        if isinstance(key.default, bool | int) and key.name not in {"tlsverify", "userland-proxy"}:
            value = str(key.default).lower() if isinstance(key.default, bool) else key.default
            assert codes(_line(key, str(value)), None) == [], key.name


@pytest.mark.parametrize("text", WRONG_TYPES)
def test_a_wrong_type_is_refused(text: str) -> None:
    assert set(codes(text, None)) == {Code.TYPE}


@pytest.mark.parametrize("text", WRONG_FORMS)
def test_a_wrong_form_or_range_is_refused(text: str) -> None:
    assert set(codes(text, None)) <= {Code.SYNTAX, Code.CHOICE, Code.RANGE}
    assert codes(text, None)


@pytest.mark.parametrize(
    "key", [key for key in EVERY if key.file is not FileRule.READ], ids=lambda key: key.name
)
def test_what_every_release_ignores_or_refuses_is_refused(key: Key) -> None:
    for version in (None, OLDEST, NEWEST):
        assert codes(_line(key, "1"), version) in ([Code.REJECTED], [Code.IGNORED])


@pytest.mark.parametrize("name", sorted(table().flag_spellings))
def test_a_name_of_a_flag_is_refused_with_the_right_one(name: str) -> None:
    (finding,) = check({name: True}, NEWEST)
    assert finding.code is Code.FLAG_SPELLING
    assert table().flag_spellings[name].rpartition(" ")[2] in finding.hint


def test_every_unknown_object_is_refused() -> None:
    for name in ("foo", "Features", "log_opts", "builder.cache", "proxies.ftp-proxy"):
        assert codes(f"engine.{name} = {{ mtu = 1400 }}", None) == [Code.UNKNOWN], name


def test_zero_is_refused_where_it_means_the_default() -> None:
    for key in READ:
        zero = key.zero_is_default
        if zero is None:
            continue
        for version in VERSIONS:
            wanted = [Code.ZERO] if zero.holds(version) else []
            assert codes(_line(key, "0"), version) == wanted, key.name
