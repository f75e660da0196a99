"""Edits of daemon.json become TOML that means the same, one after another."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from dockcfgd.desired.adopt import ADOPTED, adopted_text, obstacle, told
from dockcfgd.desired.parse import parse
from dockcfgd.model.desired import DesiredState, Json
from dockcfgd.planning import leaves
from dockcfgd.planning.hand_edits import Edit, hand_edits
from dockcfgd.planning.target import Applied, target_of
from tests.fakes.files import FakeFiles
from tests.golden.described_host import host_of
from tests.unit.desired.reading import CONF, ETC, loaded_from

_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_DOCUMENTS: st.SearchStrategy[dict[str, Json]] = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "labels": st.lists(st.sampled_from(["a=1", "b=2"]), max_size=2, unique=True),
        "shutdown-timeout": st.integers(1, 3),
        "log-opts": st.dictionaries(
            st.sampled_from(["max-size", "odd.name", 'a"b']), st.just("1"), max_size=2
        ),
        "features": st.fixed_dictionaries({}, optional={"buildkit": st.booleans()}),
        "runtimes": st.fixed_dictionaries(
            {}, optional={"crun": st.sampled_from([{"path": "/crun"}, {"path": "/b"}])}
        ),
        "key-of-tomorrow": _NUMBERS | st.lists(_NUMBERS, max_size=2),
    },
)


def _desired(files: FakeFiles) -> DesiredState:
    desired = parse(loaded_from(files), version=None)
    assert desired is not None
    return desired


def _toml(document: dict[str, Json]) -> str:
    extra = {name: document[name] for name in document if name == "key-of-tomorrow"}
    engine = {name: document[name] for name in document if name not in extra}
    engine.pop("log-opts", None)
    return tomli_w.dumps({"engine": engine, "engine-extra": extra})


@settings(deadline=None)
@given(_DOCUMENTS, st.lists(_DOCUMENTS, max_size=3))
def test_the_files_mean_what_the_last_edit_left(
    wanted: dict[str, Json], edits: list[dict[str, Json]]
) -> None:
    files = FakeFiles()
    files.put(CONF, f'{_toml(wanted)}\n[policy]\nunmanaged-keys = "remove"\non-drift = "adopt"\n')
    for edited in edits:
        host, desired = host_of({"daemon.json": edited}), _desired(files)
        found = hand_edits(target_of(desired, host, Applied()), host)
        # What log-opts may hold is checked elsewhere.
        found = tuple(edit for edit in found if edit.path[0] != "log-opts")
        assert obstacle(found, host, desired) == ""
        text = adopted_text(files.text(f"{ETC}/{ADOPTED}"), found, desired)
        files.put(f"{ETC}/{ADOPTED}", text)
        now = leaves.flatten(_desired(files).engine)
        assert {path: now[path] for path in now if now[path] != {}} == {
            path: value
            for path, value in leaves.flatten(edited).items()
            if path[0] != "log-opts" and value != {}
        }


def _text(text: str, *edits: Edit, wanted: str = "[engine]\ndebug = true\n") -> str:
    files = FakeFiles()
    files.put(CONF, wanted)
    return adopted_text(text, edits, _desired(files))


def test_what_the_file_has_beside_stays() -> None:
    before = 'schema = 1\nunset = ["engine.mtu"]\n[verify]\nsettle = "1s"\n[engine]\nmtu = 1400\n'
    text = _text(before, Edit(("debug",), value=False), Edit(("mtu",), leaves.ABSENT))
    assert tomllib.loads(text) == {
        "schema": 1,
        "unset": ["engine.mtu"],
        "verify": {"settle": "1s"},
        "engine": {"debug": False},
    }


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (("debug",), "engine"),
        (("mtu",), "engine"),
        (("features", "new"), "engine"),
        (("key-of-tomorrow",), "engine-extra"),
        (("bip",), "engine-extra"),
    ],
)
def test_a_key_goes_where_it_stands_or_belongs(path: tuple[str, ...], table: str) -> None:
    wanted = '[engine]\ndebug = true\n[engine-extra]\nbip = "10.0.0.1/24"\n'
    assert list(tomllib.loads(_text("", Edit(path, 1), wanted=wanted))) == ["schema", table]


@pytest.mark.parametrize(
    ("name", "hindered"),
    [
        ("95-x.toml", True),
        ("90-adopted2.toml", True),
        ("site.toml", True),
        ("Site.toml", True),
        ("89-x.toml", False),
        ("90-a.toml", False),
        ("10-site.toml", False),
    ],
)
def test_a_later_file_hinders_and_an_earlier_one_does_not(*, name: str, hindered: bool) -> None:
    files = FakeFiles()
    files.put(CONF, "[engine]\ndebug = false\n")
    files.put(f"{ETC}/{name}", "[engine]\ndebug = true\n")
    why = obstacle(
        [Edit(("debug",), value=False)], host_of({"daemon.json": {"debug": False}}), _desired(files)
    )
    assert (f"{ETC}/{name}:2" in why) is hindered
    assert bool(why) is hindered


def test_told_in_a_few_words() -> None:
    edits = [Edit(("debug",), value=True), Edit(("log-opts", "a.b"), leaves.ABSENT)]
    assert told(edits) == 'adopted: debug, log-opts."a.b"'
