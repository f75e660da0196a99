"""Boot a folder with systemd-nspawn, and enter what was booted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from roots import MachineError, MachineUnavailable

__all__ = ["Booted", "boot", "cgroup_root", "end", "entered", "remove_cgroup", "try_out"]

_STOP_SECONDS = 10.0

# systemd 258 and newer boot on the unified hierarchy only; the older ones of the suites do too,
# also on a host whose controllers are still those of cgroup v1.
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "LANG": "C.UTF-8",
}

_OPTIONS = (
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--private-network",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
    # Docker keeps its keys in a keyring and filters devices by bpf.
    "--capability=all",
    "--system-call-filter=@keyring bpf",
)


class Booted:
    """A running machine: systemd-nspawn and the init that it started."""

    def __init__(self, process: subprocess.Popen[bytes], *, init: int) -> None:
        self.init = init
        self._process = process

    def alive(self) -> bool:
        """Tell whether the machine's init still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the init, and with it, at this instant, every process of the machine."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        self.await_end(_STOP_SECONDS)

    def await_end(self, seconds: float) -> bool:
        """Wait until the machine is off; tell whether it is."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def boot(root: Path, *, name: str, binds: Mapping[str, Path], console: Path) -> Booted:
    """Start the system in *root* and return once its init runs.

    *binds* are folders and devices of the host by their path in the machine; *console* gets what
    the machine prints.
    """
    command = [
        *_command(root, name),
        *(f"--bind={source}:{target}" for target, source in binds.items()),
        "--console=read-only",
        "--boot",
    ]
    with console.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    try:
        init = _await_init(process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if init is not None:
        return Booted(process, init=init)
    text = console.read_text(errors="replace").strip()
    raise MachineError(f"cannot boot {root}: systemd-nspawn: {text[-500:]}")


def try_out(root: Path, *, name: str) -> None:
    """Run one command in *root*; raise MachineError if nspawn cannot do that here."""
    command = [*_command(root, name), "--pipe", "/bin/true"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=_ENVIRONMENT, check=False
    )
    remove_cgroup(name)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        raise MachineError(f"cannot start systemd-nspawn: exit {done.returncode}: {text[-500:]}")


def _command(root: Path, name: str) -> list[str]:
    """Return nspawn's command, in a cgroup of its own.

    With --keep-unit nspawn makes the groups `supervisor` and `payload` below the one that it is
    started in: two machines started in the same one would share them.
    """
    group = cgroup_root() / name
    group.mkdir(exist_ok=True)
    enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    return [
        *("/bin/sh", "-c", enter, str(group)),
        *("systemd-nspawn", *_OPTIONS, f"--machine={name}", f"--directory={root}"),
    ]


def end(name: str) -> None:
    """Kill every process of the machine *name*, if there is one, whoever started it.

    A killed systemd-nspawn leaves its machine running.
    """
    with contextlib.suppress(FileNotFoundError):
        (cgroup_root() / name / "cgroup.kill").write_text("1")


def remove_cgroup(name: str) -> None:
    """Remove the control groups of the machine *name*, which is off."""
    top = cgroup_root() / name
    if not top.is_dir():
        return
    for folder, _, _ in os.walk(top, topdown=False):
        _remove_group(Path(folder))


def _remove_group(group: Path) -> None:
    # A group stays busy for a moment after its last process was reaped.
    for _ in range(100):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def cgroup_root() -> Path:
    """Return where the host's cgroup2 hierarchy is mounted, or raise MachineUnavailable."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(path)
    raise MachineUnavailable("cannot boot a machine: no cgroup2 hierarchy is mounted")


def _await_init(process: subprocess.Popen[bytes]) -> int | None:
    """Return the machine's init, or None if nspawn ended without one."""
    while process.poll() is None:
        init = _init_of(process.pid)
        if init is not None:
            return init
        time.sleep(0.01)
    return None


def _init_of(nspawn: int) -> int | None:
    """Return the process that is 1 in the machine, once it has become systemd."""
    try:
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
    except FileNotFoundError:
        return None
    for child in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{child}/status").read_text()
            ids = next(line.split() for line in status.splitlines() if line.startswith("NSpid:"))
            program = Path(f"/proc/{child}/exe").readlink().name
            if ids[-1] == "1" and len(ids) > 2 and program == "systemd":
                return int(child)
    return None


def entered(init: int, command: Sequence[str]) -> list[str]:
    """Return *command* as it runs inside the machine whose init is *init*."""
    return ["nsenter", "--target", str(init), "--all", "--", *command]
