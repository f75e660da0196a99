"""make demo: the story of dockcfgd on a throwaway Debian 13 with systemd and Docker.

Everything is printed as it happens and judged; exit 1 if something is not as promised. Where no
machine can be booted, or there is no package, a simulated host takes its place, which the first
line says.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import Machine, MachineError, MachineUnavailable
from machine_stage import MachineStage
from story import NotTrue, tell

_TREE = Path(__file__).parents[2]


def main() -> int:
    """Tell the story; the exit code."""
    began = time.monotonic()
    try:
        _on_machine(_package())
    except MachineUnavailable as reason:
        _on_simulated_host(str(reason))
    except (NotTrue, subprocess.SubprocessError, MachineError, TimeoutError) as error:
        print(f"\nThe story broke off: {error}", flush=True)
        return 1
    print(f"({time.monotonic() - began:.0f} s)")
    return 0


def _package() -> Path:
    packages = sorted(
        (_TREE / "dist").glob("dockcfgd_*_all.deb"), key=lambda one: one.stat().st_mtime
    )
    if not packages:
        raise MachineUnavailable("there is no package in dist (make deb)")
    return packages[-1]


def _on_machine(package: Path) -> None:
    with Machine("trixie") as machine:
        machine.boot()
        print(f"On a machine of its own, booted from Debian 13, with {package.name}:")
        system = "uname -sr; . /etc/os-release; echo $PRETTY_NAME; systemctl --version | head -n 1"
        print(machine.run(system).stdout + machine.run(["dockerd", "--version"]).stdout.strip())
        try:
            tell(MachineStage(machine, package))
        except BaseException:
            machine.collect(_TREE / "artifacts/demo")
            print(f"\nJournal, files and state are in {_TREE / 'artifacts/demo'}", flush=True)
            raise


def _on_simulated_host(reason: str) -> None:
    print(f"NOT on a real machine ({reason}): the same story on a simulated host", flush=True)
    sys.path.insert(0, str(_TREE))  # where tests.fakes is found
    from dockcfgd.log import configure  # noqa: PLC0415  # a real machine's daemon does that itself
    from fake_stage import fake_stage  # noqa: PLC0415  # needs that path

    configure()
    with tempfile.TemporaryDirectory() as folder, fake_stage(Path(folder)) as stage:
        tell(stage)


if __name__ == "__main__":
    sys.exit(main())
