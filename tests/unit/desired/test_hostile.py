"""What no operator writes is refused at once: with a reason, and without much work."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dockcfgd.desired.parse import parse
from dockcfgd.model.errors import InvalidDesiredState
from tests.fakes.files import FakeFiles
from tests.unit.desired.reading import CONF, ETC, RUN, USR, loaded_from, refused

_MIB = 1024 * 1024


def _lines(count: int, line: Callable[[int], str]) -> str:
    return "\n".join(line(number) for number in range(count))


def _filled(unit: str, *, before: str = "", after: str = "") -> str:
    room = _MIB - len(before) - len(after)
    return before + unit * (room // len(unit)) + after


HARMLESS = {
    "a million empty lines": "\n" * _MIB,
    "half a million comments": _filled("#\n"),
    "one long comment": "#" * _MIB,
}
REFUSED = {
    "a long text": (_filled("x", before='a = "', after='"'), "no such key"),
    "a long text over lines": (_filled("x\n", before='a = """', after='"""'), "no such key"),
    "a text that never ends": (_filled("x\n", before='a = """'), "not valid TOML"),
    "texts that never end": (_filled('"""\n', before="a = '''"), "not valid TOML"),
    "a long key": (_filled("k", before='"', after='" = 1'), "no such key"),
    "many keys": (_lines(80_000, lambda n: f"k{n} = 1"), "too many keys"),
    "many tables": (_lines(80_000, lambda n: f"[t{n}]"), "too many keys"),
    "many entries": (_filled("1,", before="a = [", after="]"), "too many keys"),
    "many arrays of tables": (_filled("[[a]]\n"), "too many keys"),
    "many parts of a key": (_filled("a.", after="b = 1"), "nested too deeply"),
    "many parts of a table": (_filled("a.", before="[", after="b]"), "nested too deeply"),
    "many quoted parts": (_filled('"a".', after="b = 1"), "nested too deeply"),
    "lists in lists": ("a = " + "[" * 9000, "nested too deeply"),
    "tables in tables": ("a = " + "{a=" * 9000, "nested too deeply"),
    "a number of a million digits": (_filled("1", before="a = "), "number is too large"),
    "a hexadecimal number": (_filled("f", before="a = 0x"), "number is too large"),
    "a number of 65 bits": ("[engine-extra]\nx = 18446744073709551616", "number is too large"),
    "a small number of 65 bits": ("[engine-extra]\nx = -9223372036854775809", "too large"),
    "many wrong keys": ("[engine]\n" + _lines(15_000, lambda n: f"log-driver{n} = 1"), "no such"),
    "many wrong settings": ("[policy]\n" + _lines(15_000, lambda n: f"restart{n} = 1"), "no such"),
    "many wrong values": (
        "[engine.log-opts]\n" + _lines(15_000, lambda n: f"k{n} = 1"),
        "must be a string",
    ),
    "many wrong variables": (
        "[service.environment]\n" + _lines(15_000, lambda n: f"'k {n}' = 1"),
        "is not the name",
    ),
    "many wrong directives": (
        "[service.unit.Service]\n" + _lines(9_000, lambda n: f"K{n} = 1.5"),
        "must be text",
    ),
    "many wrong runtimes": (_lines(7_000, lambda n: f"[engine.runtimes.a{n}]"), "it needs path"),
    "dates in a great list": (
        "[engine-extra]\nx = [" + "1979-05-27," * 20_000 + "]",
        "JSON has no such value",
    ),
    "many keys to unset": ("unset = [" + '"engine.a",' * 20_000 + "]", "1000 are the limit"),
    "a deep key to unset": (_filled("a.", before='unset = ["', after='b"]'), "not a dotted key"),
    "a NUL byte": ("a = 1\x00", "not valid TOML"),
    "a NUL in a text": ('[engine]\ndata-root = "/a\\u0000b"', "must not hold a NUL"),
    "a NUL in a name": ('[engine.log-opts]\n"a\\u0000" = "b"', "must not hold a NUL"),
    "half a surrogate": ('a = "\\ud800"', "not valid TOML"),
    "a length of time of many digits": ("[verify]\ntimeout='" + "9" * 9000 + "d'", "not a length"),
    "a century": ("[verify]\ntimeout='36500d'", "longer than a year"),
    "a size of many digits": ("[engine]\ndefault-shm-size='" + "9" * 9000 + "'", "a size such"),
    "a port of many digits": ("[engine]\nmetrics-addr='a:" + "1" * 9000 + "'", "host:port"),
    "an endless directive": (
        _filled("x", before="[service.unit.Service]\n'", after="'=1"),
        "not the name of a",
    ),
}


def _cpu(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_much_of_nothing_is_read_at_once(text: str) -> None:
    found: list[str] = []
    assert _cpu(lambda: found.extend(refused(text))) < 1.5
    assert found == []


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_at_once(text: str, why: str) -> None:
    found: list[str] = []
    assert _cpu(lambda: found.extend(refused(text))) < 1.5
    assert why in found[0]
    assert len(found) <= 101
    assert max(map(len, found)) < 3000


def test_of_very_many_reasons_the_first_are_said() -> None:
    found = refused("[engine]\n" + _lines(500, lambda number: f"zzz{number} = 1"))
    assert len(found) == 101
    assert found[-1] == "there is more that is wrong; these are the first 100 reasons"


def test_files_may_be_large_together_no_more_than_one_may() -> None:
    files = FakeFiles()
    for number in range(5):
        files.put(f"{ETC}/{number}.toml", "#" * (300 * 1024))
    (finding,) = loaded_from(files).findings
    assert finding.text().startswith(f"{ETC}/3.toml: together with the files before it larger")


def test_files_may_say_together_no_more_than_one_may() -> None:
    files = FakeFiles()
    for number in range(3):
        files.put(f"{ETC}/{number}.toml", _lines(6_000, lambda n: f"k{n} = 1"))
    (finding,) = loaded_from(files).findings
    assert finding.file == f"{ETC}/2.toml"
    assert finding.message == "too many keys and values"


def test_ten_thousand_files() -> None:
    files = FakeFiles()
    for number in range(10_000):
        files.put(f"{ETC}/{number}.toml", "x = ")
    findings = []
    assert _cpu(lambda: findings.extend(loaded_from(files).findings)) < 1.0
    assert [finding.text() for finding in findings] == [
        f"{ETC}: cannot use 10000 files: 1000 are the limit"
    ]


def test_files_of_three_folders_count_together() -> None:
    files = FakeFiles()
    for folder in (USR, RUN, ETC):
        for number in range(400):
            files.put(f"{folder}/{number}{folder[1]}.toml", "")
    (finding,) = loaded_from(files).findings
    assert finding.message == "cannot use 1200 files: 1000 are the limit"


def test_a_name_that_cannot_be_printed() -> None:
    files = FakeFiles()
    files.put(f"{ETC}/a\n\x1b[31m.toml", "x = 1")
    files.put(f"{ETC}/\udcff.toml", "x = 1")
    loaded = loaded_from(files)
    assert loaded.document == {}
    for finding in loaded.findings:
        assert finding.message == "its name has unprintable characters"
        assert finding.text().isascii()
        assert finding.text().isprintable()


def test_half_a_character_at_the_end_tells_of_half_a_file() -> None:
    files = FakeFiles()
    files.put(CONF, "a = 'é".encode()[:-1])
    (finding,) = loaded_from(files).findings
    assert "in the middle of a character" in finding.hint


def test_everything_wrong_with_all_files_is_said_together() -> None:
    files = FakeFiles()
    files.put(CONF, "[engine]\ndebgu = true")
    files.put(f"{ETC}/1.toml", b"\xff")
    files.put(f"{ETC}/2.toml", "x =")
    files.put(f"{ETC}/3.toml", "", uid=7)
    files.special(f"{ETC}/4.toml")
    files.put(f"{ETC}/5.toml", "[policy]\nrestart = 1")
    with pytest.raises(InvalidDesiredState) as caught:
        parse(loaded_from(files), version=None)
    assert {finding.file for finding in caught.value.findings} == {
        CONF,
        *(f"{ETC}/{number}.toml" for number in range(1, 6)),
    }
