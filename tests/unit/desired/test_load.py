from __future__ import annotations

import pytest

from dockcfgd.desired.load import Text, load
from dockcfgd.desired.parse import parse
from dockcfgd.model.desired import Source
from dockcfgd.model.errors import InvalidDesiredState
from tests.fakes.files import FakeFiles
from tests.unit.desired.reading import CONF, ETC, RUN, USR, loaded_from


def _tree(**texts: str) -> FakeFiles:
    files = FakeFiles()
    for path, text in texts.items():
        files.put(path, text)
    return files


def test_nothing_there_is_no_desired_state() -> None:
    assert parse(loaded_from(FakeFiles()), version=None) is None


def test_an_empty_file_is_a_desired_state() -> None:
    desired = parse(loaded_from(_tree(**{CONF: ""})), version=None)
    assert desired is not None
    assert desired.engine == {}


def test_dropped_files_go_over_conf_toml() -> None:
    files = _tree(**{CONF: "[engine]\ndebug = false", f"{USR}/10-a.toml": "[engine]\ndebug = true"})
    assert loaded_from(files).document == {"engine": {"debug": True}}


def test_files_go_by_their_names_over_all_folders() -> None:
    files = _tree(
        **{
            f"{ETC}/10-a.toml": 'a = "etc 10"',
            f"{RUN}/20-b.toml": 'a = "run 20"',
            f"{USR}/30-c.toml": 'a = "usr 30"',
        }
    )
    loaded = loaded_from(files)
    assert loaded.document == {"a": "usr 30"}
    assert [file.path for file in loaded.files] == [
        f"{ETC}/10-a.toml",
        f"{RUN}/20-b.toml",
        f"{USR}/30-c.toml",
    ]


@pytest.mark.parametrize(
    ("present", "winner"), [([USR], USR), ([USR, RUN], RUN), ([USR, RUN, ETC], ETC)]
)
def test_same_name_hides_whole_file(present: list[str], winner: str) -> None:
    texts = {f"{folder}/x.toml": f'won = "{folder}"\n"{folder}" = 1' for folder in present}
    loaded = loaded_from(_tree(**texts))
    assert loaded.document == {"won": winner, winner: 1}
    assert len(loaded.files) == 1


def test_only_toml_files_that_are_not_hidden_count() -> None:
    files = _tree(**{f"{ETC}/a.conf": "x", f"{ETC}/.b.toml": "x", f"{ETC}/c.toml~": "x"})
    assert loaded_from(files).files == []


def test_tables_merge_and_all_else_is_replaced() -> None:
    files = _tree(
        **{
            CONF: "[t]\na = 1\nlist = [1, 2]\n[t.inner]\nx = 1\n[gone]\ny = 1",
            f"{ETC}/a.toml": "gone = 5\n[t]\nlist = [3]\ninner.z = 2",
        }
    )
    assert loaded_from(files).document == {
        "t": {"a": 1, "list": [3], "inner": {"x": 1, "z": 2}},
        "gone": 5,
    }


def test_each_key_knows_where_it_comes_from() -> None:
    files = _tree(**{CONF: "[t]\na = 1\nb = 1", f"{ETC}/a.toml": "\n[t]\n\na = 2"})
    sources = loaded_from(files).sources
    assert sources["t", "a"] == Source(f"{ETC}/a.toml", 4)
    assert sources["t", "b"] == Source(CONF, 3)


def test_unset_forgets_what_earlier_files_said() -> None:
    files = _tree(
        **{
            CONF: '[engine.log-opts]\nmax-file = "3"\nmax-size = "1m"\n[engine]\ndebug = true',
            f"{ETC}/a.toml": 'unset = ["engine.log-opts.max-file", "engine.\\"debug\\"", "no"]',
        }
    )
    loaded = loaded_from(files)
    assert loaded.document == {"engine": {"log-opts": {"max-size": "1m"}}}
    assert ("engine", "debug") not in loaded.sources
    assert not loaded.findings


def test_a_table_goes_with_the_last_of_its_keys() -> None:
    files = _tree(
        **{
            CONF: '[engine]\nlabels = []\n[engine.log-opts]\nmax-file = "3"\n[engine.features]\n',
            f"{ETC}/a.toml": 'unset = ["engine.log-opts.max-file", "engine.features.cdi"]',
        }
    )
    loaded = loaded_from(files)
    assert loaded.document == {"engine": {"labels": [], "features": {}}}
    assert ("engine", "log-opts") not in loaded.sources


@pytest.mark.parametrize("forms", [("2", "1"), ("1", "2")])
def test_a_form_that_is_not_known_is_refused_in_whichever_file(forms: tuple[str, str]) -> None:
    one, other = forms
    files = _tree(**{CONF: f"schema = {one}", f"{ETC}/a.toml": f"schema = {other}"})
    with pytest.raises(InvalidDesiredState) as invalid:
        parse(loaded_from(files), version=None)
    (finding,) = invalid.value.findings
    assert (finding.file, finding.line) == (CONF if other == "1" else f"{ETC}/a.toml", 1)


def test_unset_goes_before_the_same_files_own_keys() -> None:
    files = _tree(
        **{CONF: "[t]\na = 1\nb = 1", f"{ETC}/a.toml": 'unset = ["t"]\n[t]\na = 2'},
    )
    assert loaded_from(files).document == {"t": {"a": 2}}


@pytest.mark.parametrize("value", ["3", '"engine"', "[1]", '["a..b"]', '["a = 1 #"]'])
def test_unset_takes_dotted_keys_only(value: str) -> None:
    files = _tree(**{CONF: f"\nunset = {value}"})
    (finding,) = loaded_from(files).findings
    assert (finding.line, finding.key) == (2, "unset")


def test_extra_texts_hide_files_of_their_name_and_keep_the_order() -> None:
    files = _tree(**{f"{ETC}/20-b.toml": "a = 1", f"{ETC}/30-c.toml": "c = 1"})
    extra = (Text(name="20-b.toml", shown="b.toml", text="a = 2\nc = 2"),)
    loaded = load(files, config_file=CONF, folders=(ETC,), extra=extra)
    assert loaded.document == {"a": 2, "c": 1}
    assert loaded.sources["a",] == Source("b.toml", 1)


class TestDistrust:
    def test_foreign_owner(self) -> None:
        files = FakeFiles()
        files.put(f"{ETC}/a.toml", "x = 1", uid=1000)
        loaded = loaded_from(files)
        assert loaded.document == {}
        assert [finding.text() for finding in loaded.findings] == [
            f"{ETC}/a.toml: owned by uid 1000, not by root (chown root {ETC}/a.toml)"
        ]

    @pytest.mark.parametrize(("mode", "count"), [(0o644, 0), (0o600, 0), (0o664, 1), (0o602, 1)])
    def test_writable_by_others(self, mode: int, count: int) -> None:
        files = FakeFiles()
        files.put(f"{ETC}/a.toml", "x = 1", mode=mode)
        findings = loaded_from(files).findings
        assert [finding.hint for finding in findings] == [f"chmod go-w {ETC}/a.toml"] * count

    def test_link_to_a_regular_file_is_read(self) -> None:
        files = FakeFiles()
        files.put("/srv/a.toml", "x = 1")
        files.link(f"{ETC}/a.toml", "/srv/a.toml")
        assert loaded_from(files).document == {"x": 1}

    def test_link_that_leads_nowhere(self) -> None:
        files = FakeFiles()
        files.link(f"{ETC}/a.toml", "/srv/gone.toml")
        (finding,) = loaded_from(files).findings
        assert finding.message == "cannot read it: the link leads nowhere, or round in a circle"

    def test_special_file_and_folder(self) -> None:
        files = FakeFiles()
        files.special(f"{ETC}/a.toml")
        files.folder(f"{ETC}/b.toml")
        messages = [finding.message for finding in loaded_from(files).findings]
        assert messages == [
            "cannot read it: not a regular file but a FIFO, a socket or a device",
            "cannot read it: not a regular file but a folder",
        ]

    def test_too_large(self) -> None:
        files = _tree(**{f"{ETC}/a.toml": "#" * (1024 * 1024 + 1)})
        (finding,) = loaded_from(files).findings
        assert finding.file == f"{ETC}/a.toml"


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_byte_order_mark(mark: bytes) -> None:
    files = FakeFiles()
    files.put(CONF, mark + b"a = 1")
    (finding,) = loaded_from(files).findings
    assert (finding.line, finding.message) == (1, "begins with a byte order mark")


def test_what_is_no_utf8_has_its_line() -> None:
    files = FakeFiles()
    files.put(CONF, b"a = 1\n\nb = '\xe9'\n")
    (finding,) = loaded_from(files).findings
    assert (finding.line, finding.message) == (3, "not valid UTF-8")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb =\n", 2),
        ("a = 1\na = 2\n", 2),
        ("[t]\n[t]\n", 2),
        ("\n\nx y\n", 3),
        ('a = """\n\n', 3),
        ("a = [\n1,\n", 3),
    ],
)
def test_what_is_no_toml_has_its_line(text: str, line: int) -> None:
    (finding,) = loaded_from(_tree(**{CONF: text})).findings
    assert finding.message.startswith("not valid TOML: ")
    assert finding.line == line


def test_a_broken_file_leaves_the_others_to_be_judged() -> None:
    files = _tree(**{f"{ETC}/a.toml": "a = ", f"{ETC}/b.toml": "b = 1", f"{ETC}/c.toml": "c = "})
    loaded = loaded_from(files)
    assert [finding.file for finding in loaded.findings] == [f"{ETC}/a.toml", f"{ETC}/c.toml"]


def test_bottomless_nesting_is_refused() -> None:
    (finding,) = loaded_from(_tree(**{CONF: f"a = {'[' * 9000}"})).findings
    assert finding.message.startswith("nested too deeply")
