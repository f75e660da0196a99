"""CPU time of planning for a large host: 200 files, 1,000 containers.

Run as `python -m tests.bench.planning`. What is counted is the user and system time of the command
`dockcfgctl plan --json` itself, from when every module is imported: reading files and state, asking
bus and engine, planning, printing. The engine is the simulated one, in a process of its own. The
limit is a multiple of what reading 2,000 lines of TOML takes in that process, as machines differ.
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
import tomllib
from pathlib import Path

import dockcfgd

__all__ = ["main"]

FILES, CONTAINERS = 200, 1000
_RUNS = 7
_LIMIT = 20.0
_LINES = 2000
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
    """Print the plan, and on the other stream the seconds of CPU of it and of the yardstick.

    For a process of its own.
    """
    for module in pkgutil.walk_packages(dockcfgd.__path__, "dockcfgd."):
        importlib.import_module(module.name)
    command = importlib.import_module("dockcfgd.cli.main")
    began = time.process_time()
    code = command.main(["plan", "--json"])
    planned = time.process_time() - began
    print(planned, _yardstick(), file=sys.stderr)
    sys.exit(code)


def _yardstick() -> float:
    text = "\n".join(f'key-{number} = "value of {number}"' for number in range(_LINES))
    began = time.process_time()
    tomllib.loads(text)
    return time.process_time() - began


def main() -> int:
    """Print the figures; 1 where the limit is not kept."""
    os.environ["ENGINE_CONTAINERS"] = str(CONTAINERS)
    from tests.integration.house import House  # noqa: PLC0415 -- `once` must not import it

    with tempfile.TemporaryDirectory() as folder, House(Path(folder)) as house:
        for number in range(FILES):
            house.drop(f"{number:03}.toml", "[engine]\n" + _text(number))
        times = [_once(house.environment) for _ in range(_RUNS)]
    middle = statistics.median(planned for planned, _ in times)
    ratio = statistics.median(planned / yardstick for planned, yardstick in times)
    print(
        f"plan, {FILES} files, {CONTAINERS} containers: {1000 * middle:.0f} ms after imports,"
        f" {ratio:.1f} times that of {_LINES} lines of TOML ({_RUNS} runs; limit {_LIMIT:g})"
    )
    return 0 if ratio < _LIMIT else 1


def _text(number: int) -> str:
    return _GROUPS[number % len(_GROUPS)].format(number=number % 200 + 1)


def _once(environment: dict[str, str]) -> tuple[float, float]:
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
    planned, yardstick = done.stderr.split()
    return float(planned), float(yardstick)


if __name__ == "__main__":
    sys.exit(main())
