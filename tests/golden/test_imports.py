"""Each folder of imports/ holds a host and the TOML that `import` makes of it, with what it tells.

`GOLDEN_REWRITE=1` writes import.toml and notes.txt anew: read the difference before it is kept.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dockcfgd.desired.import_host import Imported, import_host
from dockcfgd.model.desired import Service
from dockcfgd.model.host import HostState
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import target_of
from tests.fakes.files import FakeFiles
from tests.golden.described_host import applied_of, host_of
from tests.unit.desired.reading import CONF, loaded_from, wanted

_CASES = sorted(path for path in (Path(__file__).parent / "imports").iterdir() if path.is_dir())
_REWRITE = os.environ.get("GOLDEN_REWRITE") == "1"


def _imported(case: Path) -> tuple[Imported, HostState]:
    described = json.loads((case / "host.json").read_text())
    host = host_of(described)
    files = FakeFiles()
    files.put(CONF, described.get("in-force", ""))
    ours = loaded_from(files) if "in-force" in described else None
    return import_host(host, ours=ours), host


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_toml_and_notes_are_those_kept(case: Path) -> None:
    imported, _ = _imported(case)
    notes = "".join(f"{note.text()}\n" for note in imported.notes)
    if _REWRITE:
        (case / "import.toml").write_text(imported.toml)
        (case / "notes.txt").write_text(notes)
    assert imported.toml == (case / "import.toml").read_text()
    assert notes == (case / "notes.txt").read_text()


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_it_plans_to_nothing(case: Path) -> None:
    imported, host = _imported(case)
    desired = wanted(imported.toml)
    desired = replace(desired, service=Service())  # our own drop-in is there as it is
    plan = make_plan(target_of(desired, host, applied_of({})), host, Rules())
    assert (plan.drifts, plan.steps, plan.refusals) == ((), (), ())
