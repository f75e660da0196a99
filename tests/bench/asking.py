"""How long asking takes, on a booted machine: `dockcfgctl status` beside what one knows.

Run as `python -m tests.bench.asking`, as root. The commands take turns, so that all of them see the
same noise, and the medians of their times from start to end are compared as ratios.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.packages import build

__all__ = ["main"]

_TREE = Path(__file__).parents[2]
_ROUNDS = 60
_COMMANDS = {
    "dockcfgctl status": ["dockcfgctl", "status"],
    "docker info": ["docker", "info"],
    "systemctl status docker": ["systemctl", "--no-pager", "status", "docker"],
    "python3 -c pass": ["python3", "-c", "pass"],
}
_ASKED = "dockcfgctl status"
_LIMITS = {"docker info": 1.25, "python3 -c pass": 2.5}
# In the machine, in one process: what a shell adds would count for all of them.
_TIMED = """
import json, os, sys, time
commands = json.load(sys.stdin)
times = {name: [] for name in commands}
nothing = os.open(os.devnull, os.O_RDWR)
files = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in (0, 1, 2)]
for _ in range(int(sys.argv[1])):
    for name, command in commands.items():
        began = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
        code = os.waitpid(pid, 0)[1]
        times[name].append(time.perf_counter() - began)
        if code:
            sys.exit(f"{name} ended with {code}")
print(json.dumps(times))
"""


def main() -> int:
    """Print the figures; 1 where a limit is not kept."""
    sys.path.insert(0, str(_TREE / "tests/machine"))
    from machine import Machine  # noqa: PLC0415 -- its folder is no package

    with TemporaryDirectory() as folder, Machine("trixie") as machine:
        machine.boot()
        machine.install_deb(build("trixie", Path(folder, "package")))
        machine.write("/etc/dockcfgd/conf.toml", "schema = 1\n[engine]\nlog-level = 'info'\n")
        machine.run(["dockcfgctl", "wait", "--timeout", "60s"], timeout=70)
        machine.write("/commands.json", json.dumps(_COMMANDS))
        machine.write("/timed.py", _TIMED)
        done = machine.run(f"python3 /timed.py {_ROUNDS} < /commands.json", timeout=300)
    times = {name: sorted(seen) for name, seen in json.loads(done.stdout).items()}
    middle = {name: seen[len(seen) // 2] for name, seen in times.items()}
    good = True
    for name, seconds in middle.items():
        ratio = middle[_ASKED] / seconds
        limit = _LIMITS.get(name)
        against = f"  {_ASKED} takes {ratio:.2f} times that" if name != _ASKED else ""
        bound = f" (limit {limit})" if limit else ""
        print(f"{name}: {1000 * seconds:.1f} ms (min {1000 * times[name][0]:.1f}){against}{bound}")
        good = good and (limit is None or ratio <= limit)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
