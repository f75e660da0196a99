"""Whatever a host has: the TOML of `import` is accepted, and plans to nothing there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockcfgd.desired.import_host import import_host
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.key import NoDefault, Shape
from dockcfgd.engine_keys.table import known_keys
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import ImportRefused
from dockcfgd.planning import leaves
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import Applied, target_of
from tests.golden.described_host import host_of
from tests.unit.desired.reading import wanted

if TYPE_CHECKING:
    from dockcfgd.engine_keys.key import Key
    from dockcfgd.model.desired import DesiredState, Json
    from dockcfgd.model.host import HostState

_VERSIONS = ["20.10.24", "26.1.5", "28.5.2", "29.1.0"]
_ANY: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.sampled_from(["a=1", "10.0.0.1", "10.1.0.0/16", "json-file", "5m", "/x", "web"])
_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_TOMORROW: st.SearchStrategy[Json] = _NUMBERS | st.lists(_WORDS).map(list)


def _values(key: Key) -> st.SearchStrategy[Json]:
    known = [one for one in (key.default, key.example) if not isinstance(one, NoDefault)]
    shapes: dict[Shape, st.SearchStrategy[Json]] = {
        Shape.BOOL: st.booleans(),
        Shape.INT: st.integers(-2, 70_000),
        Shape.STRINGS: st.lists(_WORDS, max_size=2).map(list),
        Shape.STRING_MAP: st.dictionaries(_WORDS, _WORDS, max_size=2).map(dict),
    }
    words: list[Json] = [*known, *key.choices]
    shaped = shapes.get(key.shape, _WORDS)
    return st.sampled_from(words) | shaped if words else shaped


@st.composite
def _from_table(draw: st.DrawFn) -> tuple[str, dict[str, Json]]:
    """Draw a release and a document that it takes, with keys that no table knows."""
    version = draw(st.sampled_from(_VERSIONS))
    document: dict[str, Json] = {}
    keys = known_keys(EngineVersion.parse(version))
    for key in draw(st.lists(st.sampled_from(keys), max_size=8, unique_by=lambda one: one.name)):
        before = json.dumps(document)
        leaves.put(document, key.path, draw(_values(key)))
        if check(document, EngineVersion.parse(version)):
            document = json.loads(before)
    if draw(st.booleans()):
        document["key-of-tomorrow"] = draw(_TOMORROW)
    return version, document


def _plans_to_nothing(host: HostState, version: str) -> DesiredState:
    imported = import_host(host)
    desired = wanted(imported.toml, version=version)
    plan = make_plan(target_of(desired, host, Applied()), host, Rules())
    assert (plan.drifts, plan.steps, plan.refusals) == ((), (), ())
    return desired


@settings(deadline=None)
@given(_from_table())
def test_all_that_is_valid_is_taken_over(drawn: tuple[str, dict[str, Json]]) -> None:
    version, document = drawn
    described = {"daemon.json": document, "version": version, "engine": "down"}
    host = host_of({**described, "exec-start": "/usr/sbin/dockerd"})
    assert _plans_to_nothing(host, version).engine == document
    assert {
        note.message for note in import_host(host).notes if "not taken" in note.message
    } == set()


@settings(deadline=None)
@given(_from_table())
def test_what_a_running_engine_lacks_is_left(drawn: tuple[str, dict[str, Json]]) -> None:
    version, document = drawn
    host = host_of({"daemon.json": document, "version": version})
    desired = _plans_to_nothing(host, version)
    left = {note.key for note in import_host(host).notes if "not taken" in note.message}
    assert len(left) + len(leaves.flatten(desired.engine)) == len(leaves.flatten(document))


def test_a_name_with_a_dot_is_unknown_and_not_that_of_a_key_in_a_table() -> None:
    host = host_of({"daemon.json": {"nri-opts.enable": [], "debug": True}, "engine": "down"})
    _plans_to_nothing(host, "26.1.5")
    assert '[engine-extra]\n"nri-opts.enable" = []' in import_host(host).toml


def test_what_a_flag_sets_too_is_left() -> None:
    host = host_of({"daemon.json": {"hosts": ["fd://"], "debug": True}, "engine": "down"})
    assert _plans_to_nothing(host, "26.1.5").engine == {"debug": True}
    (note,) = import_host(host).notes
    assert "-H fd:// (/usr/lib/systemd/system/docker.service:3) sets it too" in note.message


@settings(deadline=None)
@given(st.dictionaries(st.text() | st.sampled_from(["debug", "log-opts", "runtimes"]), _ANY))
def test_whatever_stands_there_is_taken_over_or_told(document: dict[str, Json]) -> None:
    host = host_of({"daemon.json": json.dumps(document), "engine": "down"})
    desired = _plans_to_nothing(host, "26.1.5")
    left = [note for note in import_host(host).notes if "not taken" in note.message]
    assert len(left) + len(leaves.flatten(desired.engine)) == len(leaves.flatten(document))


@settings(deadline=None)
@given(st.text(), st.text())
def test_other_files_never_become_more_than_comments(drop_in: str, environment: str) -> None:
    described: dict[str, Any] = {
        "daemon.json": {"debug": True},
        "info": {"Debug": True},
        "exec-start": "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS",
        "other-drop-ins": {"/etc/x.conf": f"[Service]\n{drop_in}\n"},
        "environment-files": {"/etc/default/docker": f"DOCKER_OPTS={environment}\n"},
    }
    host = host_of(described)
    desired = wanted(import_host(host).toml)
    assert desired.engine in ({"debug": True}, {})
    assert desired.service.empty


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('{"debug": true\n "mtu": 1}', 2, "not valid JSON"),
        ('{"debug":\n NaN}', None, "NaN is no number"),
        ("[]", 1, "not a JSON object"),
        ("[" * 100_000, None, "nested too deeply"),
        ('{"a": ' * 900 + "1" + "}" * 900, None, "nested too deeply"),
    ],
)
def test_what_is_no_daemon_json_is_refused(text: str, line: int | None, why: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        import_host(host_of({"daemon.json": text}))
    finding = refused.value.finding
    assert (finding.file, finding.line) == ("/etc/docker/daemon.json", line)
    assert why in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n", "null", "{}", None])
def test_an_empty_one_sets_nothing(text: str | None) -> None:
    assert _plans_to_nothing(host_of({"daemon.json": text}), "26.1.5").engine == {}


def test_a_deprecated_key_is_taken_over_and_told() -> None:
    document = {"host-gateway-ip": "10.0.0.1"}
    host = host_of({"daemon.json": document, "version": "28.5.2", "engine": "down"})
    assert _plans_to_nothing(host, "28.5.2").engine == document
    assert [note.key for note in import_host(host).notes] == ["host-gateway-ip"]
