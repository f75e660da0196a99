from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.model.host import UnitFile
from dockcfgd.planning.unit_text import (
    binary_and_flags,
    environment_of,
    exec_start,
    expand,
    quote,
    split,
)

_WORDS = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
    | st.sampled_from("\n\t\r \"'\\$%;#"),
)


@given(st.lists(_WORDS))
def test_a_quoted_command_is_read_back_as_it_was(words: list[str]) -> None:
    line = " ".join(quote(word, command=True) for word in words)
    assert "\n" not in line
    assert expand(split(line), {"x": "wrong"}) == words


@given(_WORDS)
def test_a_quoted_assignment_is_one_word_and_keeps_its_dollar(value: str) -> None:
    (word,) = split(quote(f"NAME={value}"))
    assert word.replace("%%", "%") == f"NAME={value}"


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--plain=1", "--plain=1"),
        ("", '""'),
        ("a b", '"a b"'),
        ("it's", '"it\'s"'),
        ('say "x"', '"say \\"x\\""'),
        ("50%", '"50%%"'),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"'),
        ("a;b", '"a;b"'),
        ("$HOME", "$HOME"),
    ],
)
def test_how_words_are_written(word: str, text: str) -> None:
    assert quote(word) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a   b\t", ["a", "b"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ('--label="a b"c', ["--label=a bc"]),
        ("'single \\n stays'", ["single \\n stays"]),
        ('"tab\\there" a\\sb', ["tab\there", "a b"]),
        ('""', [""]),
        ("$A ${B}", ["$A", "${B}"]),
    ],
)
def test_how_a_command_is_split(text: str, words: list[str]) -> None:
    assert split(text) == words


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("$OPTS", ["--a", "b c"]),
        ("${OPTS}", ['--a "b c"']),
        ("--x=${ONE}y", ["--x=1y"]),
        ("$NONE", []),
        ("${NONE}", [""]),
        ("$$ONE", ["$ONE"]),
        ("100%%", ["100%"]),
        ("a$ONE", ["a$ONE"]),
    ],
)
def test_how_variables_are_put_in(word: str, expanded: list[str]) -> None:
    assert expand([word], {"OPTS": '--a "b c"', "ONE": "1"}) == expanded


class TestExecStart:
    def test_the_last_one_counts_with_its_place(self) -> None:
        command = exec_start(
            [
                UnitFile("/unit", "[Unit]\nExecStart=/no\n[Service]\n# x\nExecStart=/bin/a b\n"),
                UnitFile(
                    "/drop-in", "[Service]\nExecStart=\nExecStart = /bin/c \\\n  # note\n  d\n"
                ),
            ]
        )
        assert command is not None
        assert (command.file, command.line) == ("/drop-in", 3)
        assert split(command.text) == ["/bin/c", "d"]

    def test_an_empty_one_takes_all_away(self) -> None:
        files = [UnitFile("/unit", "[Service]\nExecStart=/bin/a"), UnitFile("/d", "")]
        assert exec_start(files) is not None
        assert exec_start([*files, UnitFile("/e", "[Service]\nExecStart=\n")]) is None

    def test_prefixes_are_no_part_of_the_program(self) -> None:
        assert binary_and_flags(["-+/usr/bin/dockerd", "-H", "fd://"]) == (
            "/usr/bin/dockerd",
            ["-H", "fd://"],
        )
        assert binary_and_flags([]) == ("", [])


def test_environment_files_go_over_the_units_environment() -> None:
    text = '# comment\n; too\nA=2\n B = "x y" \nC=\'$A\'\nD=one\\\n two\nno assignment\nE=a"b"c\n'
    environment = environment_of(["A=1", "Z=9"], [UnitFile("/etc/default/docker", text)])
    assert environment == {"A": "2", "Z": "9", "B": "x y", "C": "$A", "D": "onetwo", "E": "abc"}
