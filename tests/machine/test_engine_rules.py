"""What is refused is what the engine fails with: each configuration of engine_trials.json is tried.

A trial is run on a dockerd started by hand. `fails` names the releases whose engine does not start
with it, or starts and then does not do what `then` wants (RUN: run a container). The rules must
refuse it on these releases and on no other, by what they see in the machine; `stricter` says for
a release why they refuse what works.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

import dockcfgd
from key_engine import make_certificate
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
_HERE = Path(__file__).parent
_PACKAGE = Path(dockcfgd.__file__).parent
_PLACE = "/opt/trials"
_EVERY = 1 if PROOF else 25
_TRIALS: list[dict[str, Any]] = json.loads((_HERE / "engine_trials.json").read_text())
_RUN = (
    "mkdir -p /run/trial/image/bin && cp /bin/busybox /run/trial/image/bin/"
    " && tar -C /run/trial/image -c . | docker import - b >/dev/null"
    " && docker run --rm --network none b /bin/busybox true"
)

pytestmark = pytest.mark.suite(*RELEASES)


@pytest.fixture(scope="module")
def trials(module_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Give a machine without an engine, with the package in it."""
    module_machine.run(["systemctl", "stop", "docker.socket", "docker.service"])
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(_PACKAGE, "dockcfgd", filter=_source_only)
        tar.add(_HERE / "engine_trial.py", "engine_trial.py")
    module_machine.run(["mkdir", "-p", _PLACE, "/root/tls"])
    for name in ("tls.pem", "tls.key"):
        module_machine.copy_in(certificate / name, f"/root/tls/{name}")
    module_machine.run_bytes(["tar", "-C", _PLACE, "-x"], source=archive.getvalue())
    return module_machine


def _source_only(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _tried(machine: Machine, trial: dict[str, Any]) -> dict[str, Any]:
    asked = {**trial, "then": trial.get("then", "").replace("RUN", _RUN)}
    done = machine.run(
        ["python3", f"{_PLACE}/engine_trial.py"], input=json.dumps([asked]), timeout=150
    )
    (seen,) = json.loads(done.stdout)
    assert isinstance(seen, dict)
    return seen


@pytest.mark.parametrize("trial", _TRIALS[::_EVERY], ids=lambda trial: trial["name"])
def test_what_is_refused_is_what_fails(trials: Machine, suite: str, trial: dict[str, Any]) -> None:
    seen = _tried(trials, trial)
    failed = not seen["started"] or seen["then"] not in {None, 0}
    assert failed is (suite in trial["fails"]), seen
    assert bool(seen["refused"]) is (failed or suite in trial.get("stricter", ())), seen
