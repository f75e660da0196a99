from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.model.host import UnitFile
from dockcfgd.planning.environment_text import Assigned, assignments_in_file, environment_of

_TEXTS = st.text(alphabet=st.characters() | st.sampled_from("\n\r\0\\\"'$#;= AB"))


def _file(text: str) -> dict[str, str]:
    found = assignments_in_file(UnitFile("/e", text))
    return {name: assigned.value for name, assigned in found.items()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=2\n B = x y \n", {"A": "2", "B": "x y"}),
        ("# c\n; d\n\nA=1", {"A": "1"}),
        ("A=\"x y\"\nB='$A'", {"A": "x y", "B": "$A"}),
        ('A="x" \'y\' z "q" ', {"A": 'xyz "q"'}),
        ('A=a"b"c', {"A": 'a"b"c'}),
        ("A=one\\\n two", {"A": "one two"}),
        ("A=\\\n two", {"A": " two"}),
        ("A=a\\b\\ ", {"A": "ab "}),
        ('A="a\\b\\"c\\$d\\\ne"', {"A": 'a\\b"c$de'}),
        ("A='a\\b\nc'", {"A": "a\\b\nc"}),
        ("no assignment\nA=1", {"A": "1"}),
        ("export A=1\n1A=2\nB=\x01", {}),
        ("A=\nB=1", {"A": "", "B": "1"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=1 # no comment", {"A": "1 # no comment"}),
        ("A", {}),
        ("# comment \\\nA=1", {"A": "1"}),
    ],
)
def test_how_an_environment_file_is_read(text: str, found: dict[str, str]) -> None:
    assert _file(text) == found


@given(_TEXTS)
def test_any_environment_file_is_read_somehow(text: str) -> None:
    environment_of(["A=1"], [UnitFile("/u", f"[Service]\n{text}")], [UnitFile("/e", text)])


def test_a_value_has_its_place() -> None:
    text = '# one\n\nB="x\ny"\nA=1\n'
    assert assignments_in_file(UnitFile("/e", text)) == {
        "B": Assigned("x\ny", "/e", 3),
        "A": Assigned("1", "/e", 5),
    }


def test_files_go_over_units_and_units_over_what_systemd_lists() -> None:
    units = [
        UnitFile("/u", '[Unit]\nEnvironment=Q=1\n[Service]\nEnvironment="A=u 1" B=u %% C=u%%x\n'),
        UnitFile("/d", "[Service]\nEnvironment=B=d\nUnsetEnvironment=Z Y=1\n"),
    ]
    found = environment_of(["A=1", "S=1", "Z=1", "Y=2"], units, [UnitFile("/e", "C=e\n")])
    assert found == {
        "A": Assigned("u 1", "/u", 4),
        "B": Assigned("d", "/d", 2),
        "C": Assigned("e", "/e", 1),
        "S": Assigned("1"),
        "Y": Assigned("2"),
    }


def test_an_empty_environment_takes_all_away() -> None:
    units = [UnitFile("/u", "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=1\n")]
    assert set(environment_of([], units, [])) == {"B"}


@pytest.mark.parametrize(
    ("line", "names"), [("A=1 'B=2 C=3", {"A"}), ("A=1 B=\\q C=3", {"A"}), ("1A=1 B C=3", {"C"})]
)
def test_from_a_bad_word_on_the_rest_of_a_line_is_ignored(line: str, names: set[str]) -> None:
    units = [UnitFile("/u", f"[Service]\nEnvironment={line}\n")]
    assert set(environment_of([], units, [])) == names
