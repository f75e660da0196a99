from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockcfgd.model.host import UnitFile
from dockcfgd.planning.unit_text import (
    exec_start,
    expand,
    quote,
    settings_of,
    specified,
    split,
    split_variable,
)

_WORDS = st.text(
    alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("\n\t\r \"'\\$%;#{}\x01\x85\u2028\udc80\udcff")
)
_UNIT_TEXTS = st.text(
    alphabet=st.characters() | st.sampled_from("\n\r\0\\\"'$%;#[]= {}xuUABEnvironmentFileExecStart")
)


def _read_back(line: str, environment: dict[str, str]) -> list[str]:
    return [part for word in split(line) for part in expand(specified(word), environment)]


@given(st.lists(_WORDS))
@example(["\u20ac", "\xa0", "\ud7ff", "\U0010ffff", "\udc80x"])
def test_a_quoted_command_is_read_back_as_it_was(words: list[str]) -> None:
    line = " ".join(quote(word, command=True) for word in words)
    assert "\n" not in line
    assert _read_back(line, {"x": "wrong"}) == words


@given(_WORDS)
def test_a_quoted_assignment_is_one_word_and_keeps_its_dollar(value: str) -> None:
    (word,) = split(quote(f"NAME={value}"))
    assert specified(word) == f"NAME={value}"


@given(_WORDS)
def test_a_quoted_word_is_one_setting_that_does_not_go_on(value: str) -> None:
    text = f"[Service]\nEnvironment={quote(value)}\nAfter=this\n"
    assert [(one.name, one.line) for one in settings_of(text)] == [("Environment", 2), ("After", 3)]


@given(_UNIT_TEXTS)
def test_any_text_is_read_somehow(text: str) -> None:
    files = [UnitFile("/unit", f"[Service]\nExecStart={text}"), UnitFile("/d", text)]
    exec_start(files)
    for word in split(text):
        expand(specified(word), {"A": text})
    split_variable(text)


def test_a_nul_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--plain=1", "--plain=1"),
        ("", '""'),
        ("a b", '"a b"'),
        ("it's", '"it\'s"'),
        ('say "x"', '"say \\"x\\""'),
        ("50%", "50%%"),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"'),
        ("bell\a", '"bell\\x07"'),
        ("a;b", '"a;b"'),
        ("$HOME", "$HOME"),
        ("\udcff", '"\\xff"'),
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
        ("'single \\n too'", ["single \n too"]),
        ('"tab\\there" a\\sb', ["tab\there", "a b"]),
        ('""', [""]),
        ("$A ${B}", ["$A", "${B}"]),
        ("\\x41\\101\\u00e9\\U0001f40b", ["AA\u00e9\U0001f40b"]),
        ("\\xc3\\xa9", ["\u00e9"]),
        ("\\xff", ["\udcff"]),
        ("\\x00 \\000 \\777 \\q \\x4", ["\\x00", "\\000", "\\777", "\\q", "\\x4"]),
        ("\\U00110000", ["\\U00110000"]),
        ("a ; b", ["a"]),
        ('a \\; b ";" c;', ["a", ";", "b", ";", "c;"]),
        ("end\\", ["end\\"]),
        ("no\xa0break", ["no\xa0break"]),
        ('open "quote', ["open", "quote"]),
    ],
)
def test_how_a_command_is_split(text: str, words: list[str]) -> None:
    assert split(text) == words


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("$OPTS", ["--a", "b c", "d\\e", "n"]),
        ("${OPTS}", ['--a "b c" d\\\\e \\n']),
        ("--x=${ONE}y", ["--x=1y"]),
        ("$NONE", []),
        ("${NONE}", [""]),
        ("$$ONE", ["$ONE"]),
        ("$ONE-x", []),
        ("a$ONE", ["a$ONE"]),
        ("a${ONE", ["a${ONE"]),
    ],
)
def test_how_variables_are_put_in(word: str, expanded: list[str]) -> None:
    assert expand(word, {"OPTS": '--a "b c" d\\\\e \\n', "ONE": "1"}) == expanded


def test_specifiers_that_are_not_known_stay() -> None:
    assert specified("100%% %n %H %") == "100% docker.service %H %"


class TestExecStart:
    def test_the_last_one_counts_with_its_place(self) -> None:
        command = exec_start(
            [
                UnitFile("/unit", "[Unit]\nExecStart=/no\n[Service]\n# x\nExecStart=/bin/a b\n"),
                UnitFile(
                    "/drop-in",
                    "[Service]\nExecStart=\nExecStart = /bin/c \\\n  # note\n\\\n  d\n  e\n",
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

    def test_one_that_systemd_cannot_read_does_not_count(self) -> None:
        files = [UnitFile("/unit", "[Service]\nExecStart=/bin/a\nExecStart=/bin/b 'open\n")]
        command = exec_start(files)
        assert command is not None
        assert command.text == "/bin/a"

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("ExecStart=/a \\\\\nExecStart=/b", "/b"),
            ("ExecStart=/a \\ \nb=c", "/a \\"),
            ("\ufeff[Service]\nExecStart=/a\\", "/a"),
            ("ExecStart=/a\r\nx=y", "/a"),
            ("ExecStart=/a\x85b", "/a\x85b"),
            ("[Service\nExecStart=/a", "/a"),
        ],
    )
    def test_where_a_line_ends(self, text: str, value: str) -> None:
        command = exec_start([UnitFile("/u", "[Service]\n" + text)])
        assert command is not None
        assert command.text == value
