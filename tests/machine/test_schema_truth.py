"""What dockcfgd accepts as `[engine]`, real engines accept as daemon.json; what they ignore, not.

`dockerd --validate` is there from 23.0 on: trixie and forky have it.
"""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import Json
from machine import Machine
from tests.support.engine_tables import accepted, ignored_by_engine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
SUITES = ("trixie", "forky") if PROOF else ("trixie",)
COUNT = 600 if PROOF else 150
_FOLDER = "/root/tables"
_LOOP = f"""
for file in {_FOLDER}/*.json; do
    dockerd --validate --config-file=$file > $file.said 2>&1 || echo ${{file##*/}}
done
"""

Document = dict[str, Json]


def _draw(strategy: st.SearchStrategy[Document], count: int) -> list[Document]:
    """Give the same examples each time."""
    found: list[Document] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(document: Document) -> None:
        found.append(document)

    collect()
    return found


def _refused(machine: Machine, documents: list[Document]) -> dict[str, str]:
    """Give the documents that the engine refuses, and its words."""
    folder = machine.host_path(_FOLDER)
    machine.run(["rm", "-rf", _FOLDER])
    folder.mkdir()
    for number, document in enumerate(documents):
        folder.joinpath(f"{number:04}.json").write_text(json.dumps(document))
    names = machine.run(_LOOP, timeout=240).stdout.split()
    said = {name: folder.joinpath(f"{name}.said").read_text()[-300:] for name in names}
    return {json.dumps(documents[int(name[:4])]): text for name, text in said.items()}


def _version(machine: Machine) -> EngineVersion:
    return EngineVersion.parse(machine.run(["dockerd", "--version"]).stdout.split()[2].strip(","))


@pytest.mark.suite(*SUITES)
@pytest.mark.machine
def test_the_engine_accepts_every_table_that_dockcfgd_accepts(machine: Machine) -> None:
    version = _version(machine)
    documents = _draw(accepted(version), COUNT)
    keys = {name for one in documents for name in one}
    refused = _refused(machine, documents)
    print(f"\n{machine.suite}: {len(documents)} tables of {len(keys)} keys, {len(refused)} refused")
    assert refused == {}


@pytest.mark.suite(*SUITES)
@pytest.mark.machine
def test_the_engine_takes_in_silence_what_dockcfgd_refuses(machine: Machine) -> None:
    version = _version(machine)
    documents = _draw(ignored_by_engine(), 40)
    assert [one for one in documents if not check(one, version)] == []
    refused = _refused(machine, documents)
    print(f"\n{machine.suite}: {len(documents)} tables, {len(refused)} refused by the engine too")
    assert refused == {}
