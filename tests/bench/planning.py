"""CPU time of planning for a large host: 200 files, 1,000 containers.

Run as `python -m tests.bench.planning`. What is counted is the user and system time of the command
`dockcfgctl plan --json` itself, from when every module is imported: reading files and state, asking
bus and engine, planning, printing. The engine is the simulated one, in a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dockcfgd

__all__ = ["main"]

FILES, CONTAINERS = 200, 1000
_RUNS = 7
_GROUPS = (
    'labels = ["number={number}"]',
    'log-opts = {{ "max-size" = "{number}m" }}',
    "features = {{ buildkit = true }}",
    'insecure-registries = ["registry-{number}.example:5000"]',
    'default-ulimits = {{ nofile = {{ Name = "nofile", Hard = {number}000, Soft = 1000 }} }}',
    "max-concurrent-downloads = {number}",
    'default-address-pools = [{{ base = "10.{number}.0.0/16", size = 24 }}]',
    'runtimes = {{ "own-{number}" = {{ path = "/bin/true" }} }}',
)


def once() -> None:
    """Print the plan, and on the other stream the seconds of CPU; for a process of its own."""
    for module in pkgutil.walk_packages(dockcfgd.__path__, "dockcfgd."):
        importlib.import_module(module.name)
    command = importlib.import_module("dockcfgd.cli.main")
    began = time.process_time()
    code = command.main(["plan", "--json"])
    print(time.process_time() - began, file=sys.stderr)
    sys.exit(code)


def main() -> int:
    """Print the figures; 1 where the limit is not kept."""
    os.environ["ENGINE_CONTAINERS"] = str(CONTAINERS)
    from tests.integration.house import House  # noqa: PLC0415 -- `once` must not import it

    with tempfile.TemporaryDirectory() as folder, House(Path(folder)) as house:
        for number in range(FILES):
            house.drop(f"{number:03}.toml", "[engine]\n" + _text(number))
        times = [_once(house.environment) for _ in range(_RUNS)]
    middle = statistics.median(times)
    print(
        f"plan, {FILES} files, {CONTAINERS} containers: {1000 * middle:.0f} ms of CPU after imports"
        f" (min {1000 * min(times):.0f}, max {1000 * max(times):.0f}, {_RUNS} runs; limit 100)"
    )
    return 0 if middle < 0.1 else 1


def _text(number: int) -> str:
    return _GROUPS[number % len(_GROUPS)].format(number=number % 200 + 1)


def _once(environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", "from tests.bench.planning import once; once()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    plan = json.loads(done.stdout or "{}")
    refusals = plan.get("refusals")
    if done.returncode or refusals or plan.get("impact") != "restart":
        sys.exit(f"the plan was not made: {done.stderr} {refusals}")
    return float(done.stderr)


if __name__ == "__main__":
    sys.exit(main())
