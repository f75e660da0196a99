"""Runs every long test in full and writes what was seen into docs/proof.md.

    .venv/bin/python tests/proof.py

A test that has passed on the product as it is (src and packaging) is not run again, so that a run
that was stopped goes on where it was. The page says for each test which commit it was run on. What
a failed one printed is in build/proof-failed. Exit status 1 if any failed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Result", "main", "write_page"]

_TOP = Path(__file__).parent.parent
_STATE = _TOP / "build" / "proof-results.json"
_PAGE = _TOP / "docs" / "proof.md"
_PRODUCT = ("src", "packaging")
_FILES = (
    "tests/crash/test_every_plan.py",
    "tests/crash/test_cuts.py",
    "tests/crash/test_engine_killed.py",
    "tests/crash/test_edited_meanwhile.py",
    "tests/crash/test_random_lives.py",
    "tests/crash/test_storage_back.py",
    "tests/crash/test_disk.py",
    "tests/crash/test_full.py",
    "tests/crash/test_recover.py",
    "tests/crash/test_recover_confirmation.py",
    "tests/unit/transaction/test_recovery.py",
    "tests/contract/test_engine_service.py",
    "tests/machine/test_chaos.py",
    "tests/machine/test_keys.py",
    "tests/machine/test_schema_truth.py",
    "tests/machine/test_story.py",
    "tests/machine/test_migration_parts.py",
    "tests/machine/test_moved_in_place.py",
    "tests/machine/test_containerd_store.py",
    "tests/machine/test_made_anew.py",
    "tests/machine/test_live_changes.py",
    "tests/machine/test_engine_lost.py",
    "tests/machine/test_slow_stop.py",
    "tests/machine/test_odd_objects.py",
    "tests/machine/test_storage.py",
    "tests/machine/test_zoo_cut.py",
    "tests/machine/test_backups.py",
    "tests/machine/test_compose.py",
    "tests/machine/test_impossible_targets.py",
    "tests/machine/test_moved_root.py",
    "tests/machine/test_remapped_users.py",
    "tests/machine/test_layers.py",
    "tests/integration/test_layer_histories.py",
    "tests/machine/test_crash.py",
    "tests/machine/test_engine_rules.py",
    "tests/machine/test_recover.py",
    "tests/machine/test_probes.py",
    "tests/machine/test_outside.py",
    "tests/machine/test_waits.py",
    "tests/machine/test_doctor.py",
    "tests/machine/test_polkit.py",
)
# Many small tests that share a machine.
_WHOLE = (
    "tests/contract/test_engine_service.py",
    "tests/machine/test_engine_rules.py",
    "tests/machine/test_keys.py",
    "tests/machine/test_outside.py",
    "tests/machine/test_schema_truth.py",
    "tests/machine/test_waits.py",
)
_WHAT = (
    r"\d+ of \d+ places", r".*\d+ keys proven", r"\d+ tables", r"\d+ of \d+ failing writes",
    r"\d+ lives", r"\d+ sizes of a filesystem", r"\d+ containers",
)  # fmt: skip
_SHORT = 8
_COUNT = re.compile(rf"^\.?(\S+: (?:{'|'.join(_WHAT)}).*)$", re.MULTILINE)
_ENDING = re.compile(r"^=*\s*((?:\d+ \w+(?:, )?)+) in [\d.]+s.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended: on which commit, pytest's last line, and the counts that it printed."""

    commit: str
    test: str
    passed: bool
    ending: str
    counts: tuple[str, ...]
    seconds: float


def main() -> int:
    """Run what has not passed on this product yet; 0 if everything has."""
    commit = _commit()
    results = {test: result for test, result in _earlier().items() if _same_product(result.commit)}
    for test in _tests():
        if test not in results or not results[test].passed:
            results[test] = _run(test, commit)
            _keep(results)
            print(f"{results[test].ending:30} {test}", flush=True)
    write_page(list(results.values()), of=len(results))
    return 0 if all(result.passed for result in results.values()) else 1


def _commit() -> str:
    commit = _output("git", "rev-parse", "HEAD").strip()
    changed = _output("git", "status", "--porcelain", *_PRODUCT).strip()
    return commit + ("-changed" if changed else "")


def _same_product(commit: str) -> bool:
    compared = ("git", "diff", "--quiet", commit, "--", *_PRODUCT)
    return subprocess.run(compared, cwd=_TOP, check=False, capture_output=True).returncode == 0


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=_TOP, check=True, capture_output=True, text=True).stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "DOCKCFGD_PROOF": "1"}


def _pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "pytest", *arguments),
        cwd=_TOP,
        env=_environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def _tests() -> list[str]:
    """Give what to run one at a time: each crash story, and each release of the rest."""
    listed = _pytest("--collect-only", "-q", *_FILES).stdout.splitlines()
    nodes = [line for line in listed if "::" in line]
    alone = dict.fromkeys(node for node in nodes if not node.startswith(_WHOLE))
    return [*alone, *_WHOLE]


def _run(test: str, commit: str) -> Result:
    began = time.monotonic()
    done = _pytest("-q", "-s", "-p", "no:cacheprovider", test)
    endings = _ENDING.findall(done.stdout)
    if done.returncode != 0:
        said = _STATE.parent / "proof-failed" / f"{re.sub(r'[^A-Za-z0-9]+', '-', test)}.txt"
        said.parent.mkdir(parents=True, exist_ok=True)
        said.write_text(done.stdout + done.stderr)
    return Result(
        commit=commit,
        test=test,
        passed=done.returncode == 0,
        ending=endings[-1] if endings else f"exit status {done.returncode}",
        counts=tuple(_COUNT.findall(done.stdout)),
        seconds=round(time.monotonic() - began, 1),
    )


def _earlier() -> dict[str, Result]:
    if not _STATE.exists():
        return {}
    kept = json.loads(_STATE.read_text())["results"]
    return {one["test"]: Result(**{**one, "counts": tuple(one["counts"])}) for one in kept}


def _keep(results: dict[str, Result]) -> None:
    _STATE.parent.mkdir(exist_ok=True)
    document = {"results": [asdict(result) for result in results.values()]}
    made = _STATE.with_suffix(".new")
    made.write_text(json.dumps(document, indent=1))
    made.replace(_STATE)


def write_page(results: list[Result], *, of: int) -> None:
    """Write docs/proof.md: totals, and a row for each test that was run, `of` so many."""
    counts = [count for result in results for count in result.counts]
    places = sum(int(count.split()[1]) for count in counts if " places" in count)
    keys = sum(int(n) for count in counts for n in re.findall(r"(\d+) keys proven", count))
    failed = [result for result in results if not result.passed]
    rows = [
        f"| `{result.test.removeprefix('tests/')}` | {result.ending} | "
        f"{'; '.join(result.counts) or '-'} | {result.seconds:.0f} | {result.commit[:_SHORT]} |"
        for result in results
    ]
    lines = [
        "# What was proven",
        "",
        "Written by `make proof`: every place of the crash matrix, every key, all releases.",
        "",
        f"- commits: {', '.join(dict.fromkeys(result.commit[:_SHORT] for result in results))}",
        f"- day: {time.strftime('%Y-%m-%d', time.gmtime())}",
        f"- tests: {len(results)} of {of}, of which {len(failed)} failed",
        f"- places to be killed at or to lose power at: {places}",
        f"- claims about keys, on all releases: {keys}",
        "",
        "| test | result | counts | s | commit |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    _PAGE.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
