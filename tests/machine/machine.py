"""A throwaway Debian machine with systemd as its init and a running Docker engine.

    from machine import Machine          # this folder is on the path: pytest and mypy have it in
                                         # pyproject.toml, a script in this folder has it anyway
    with Machine("trixie") as machine:
        seconds = machine.boot()
        machine.run(["systemctl", "is-active", "docker"])

It needs root, systemd-nspawn, and a file system that is no overlay below the cache folder;
`probe` tells whether that is so. Everything of a machine is gone when its block ends, and what a
killed process left behind goes when the next machine is made.

It has a network of its own with nothing but a loopback, and no registry: images.py makes images.
A machine's containers cannot be limited (--memory, --cpus) where the host's cgroup controllers
are those of cgroup v1.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import nspawn
from disk import Disk, Filesystem, unmount_below
from roots import MachineError, MachineUnavailable, cache_folder, ensure_root
from waiting import wait_for

__all__ = ["CommandFailed", "Machine", "MachineError", "MachineUnavailable", "probe", "wait_for"]

_BOOT_SECONDS = 60.0
_STOP_SECONDS = 90.0

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}

_numbers = itertools.count(1)


class CommandFailed(subprocess.CalledProcessError):
    """A command inside a machine did not exit 0; the text has all that it said."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stdout}{self.stderr}".rstrip()


class Machine:
    """One machine, off at first. A context manager: leaving it removes everything.

    *suite* is a release of `roots.SUITES`. *data* says what the engine's files lie on: "host", or
    an image of *size_mb* of its own: "ext4", "xfs", "btrfs", "ext4-without-d_type". With ext4 and
    xfs the machine's other files lie on it too, and `power_cut` can be used. Each of *folders* is
    bound from there as well: a data-root elsewhere must not lie on the overlay. *devices* are
    those of the host that the machine sees.
    """

    def __init__(
        self,
        suite: str = "trixie",
        *,
        data: Filesystem = "host",
        size_mb: int = 4096,
        folders: Sequence[str] = (),
        devices: Sequence[str] = ("/dev/fuse",),
    ) -> None:
        self.suite = suite
        self.base = ensure_root(suite)
        probe(suite)
        self.name = f"dockcfgd-{os.getpid()}-{next(_numbers)}"
        self._folder, self._lock = _claim(self.name)
        self._disk = Disk(self._folder, base=self.base, filesystem=data, size_mb=size_mb)
        self._folders = ("/var/lib/docker", "/var/lib/containerd", *folders)
        self._devices = devices
        self._booted: nspawn.Booted | None = None

    def __enter__(self) -> Self:
        try:
            self._disk.make()
        except MachineError as error:
            self.close()
            raise MachineUnavailable(str(error)) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Power

    @property
    def pid(self) -> int:
        """The host's id of the machine's init."""
        return self._running().init

    @property
    def running(self) -> bool:
        """Whether the machine's init runs."""
        return self._booted is not None and self._booted.alive()

    def boot(self, *, until: Literal["docker", "systemd", "init"] = "docker") -> float:
        """Switch the machine on; return how many seconds it took.

        "docker": systemd has finished and the engine answers. "systemd": systemd has finished,
        with whatever failed units. "init": its init runs.
        """
        if self.running:
            raise MachineError(f"cannot boot {self.name}: it is running")
        began = time.monotonic()
        self._booted = nspawn.boot(
            self._disk.root, name=self.name, binds=self._binds(), console=self._console
        )
        if until != "init":
            self._await_systemd()
        if until == "docker":
            self._await_docker()
        return time.monotonic() - began

    def kill(self) -> None:
        """Crash the machine: every process ends at once, and what was written stays written."""
        self._running().kill()

    def power_cut(self) -> None:
        """Take the power away: as `kill`, and bytes that were not synced are lost.

        The machine is off afterwards. Only with data="ext4" or "xfs".
        """
        booted = self._running()
        self._disk.lose_unsynced()
        booted.kill()
        self._disk.unmount()
        self._disk.mount()

    def shutdown(self) -> None:
        """Stop the machine in order and wait until it is off."""
        self._leave("poweroff")

    def reboot(self, *, until: Literal["docker", "systemd", "init"] = "docker") -> float:
        """Stop the machine in order and boot it; return how many seconds the boot took."""
        self._leave("reboot")
        return self.boot(until=until)

    def close(self) -> None:
        """Kill the machine if it runs and remove everything of it."""
        if self.running:
            self.kill()
        _remove(self._folder)
        self._lock.close()

    # Commands

    def run(
        self,
        command: Sequence[str] | str,
        *,
        check: bool = True,
        input: str | None = None,  # noqa: A002  # named as subprocess.run names it
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run an argument list, or a line of shell, as root inside; return what it said.

        Raises CommandFailed where *check* is true and it does not exit 0, and
        subprocess.TimeoutExpired, with everything it started in its session killed.
        """
        arguments = ["sh", "-c", command] if isinstance(command, str) else list(command)
        data = None if input is None else input.encode()
        done = self._call(arguments, data=data, timeout=timeout, env=env)
        result = subprocess.CompletedProcess(
            arguments,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        if check and result.returncode != 0:
            raise CommandFailed(result.returncode, arguments, result.stdout, result.stderr)
        return result

    def run_bytes(
        self, command: Sequence[str], *, source: IO[bytes] | bytes = b"", timeout: float = 300.0
    ) -> bytes:
        """Run an argument list with *source* as its input and return its output; it must exit 0."""
        done = self._call(list(command), data=source, timeout=timeout, env=None)
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace")
            raise CommandFailed(done.returncode, list(command), "", text)
        return done.stdout

    def popen(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start an argument list inside, its output piped; the caller ends it."""
        return subprocess.Popen(
            nspawn.entered(self.pid, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_ENVIRONMENT,
            start_new_session=True,
        )

    def docker(self, *arguments: str, check: bool = True, timeout: float = 120.0) -> str:
        """Run the engine's client and return its output without the last newline."""
        return self.run(["docker", *arguments], check=check, timeout=timeout).stdout.rstrip("\n")

    def journal(self, unit: str | None = None, *, boot: str = "0") -> str:
        """Return the journal's lines of *unit*, or all of them, from this boot."""
        chosen = ["--unit", unit] if unit else []
        command = ["journalctl", "--no-pager", "--output=short-precise", f"--boot={boot}", *chosen]
        return self.run(command).stdout

    def unit(self, name: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit; without names ActiveState, SubState, MainPID, Result."""
        wanted = properties or ("ActiveState", "SubState", "MainPID", "Result")
        lines = self.run(["systemctl", "show", name, *(f"-p{one}" for one in wanted)]).stdout
        pairs = (line.partition("=") for line in lines.splitlines())
        return {key: value for key, _, value in pairs}

    # Files

    def read(self, path: str) -> str:
        """Return the text of a file; also while the machine is off."""
        return self._file_call("cat", path).decode()

    def exists(self, path: str) -> bool:
        """Tell whether there is something at *path*; also while the machine is off."""
        try:
            self._file_call("test", "-e", path)
        except CommandFailed:
            return False
        return True

    def write(self, path: str, text: str | bytes, *, mode: int = 0o644) -> None:
        """Put a file in place by rename, its folder made if need be; also while off."""
        data = text.encode() if isinstance(text, str) else text
        folder = str(Path(path).parent)
        script = (
            'mkdir -p "$1" && t="$1/.new.$$" && cat > "$t" && chmod "$3" "$t" && mv -f "$t" "$2"'
        )
        self._file_call("sh", "-c", script, "sh", folder, path, f"{mode:o}", source=data)

    def copy_in(self, source: Path, path: str) -> None:
        """Copy a file of the host to *path*, keeping its permission bits."""
        self.write(path, source.read_bytes(), mode=source.stat().st_mode & 0o7777)

    def host_path(self, path: str) -> Path:
        """Return where the host sees *path*; links on the way are followed as the host would."""
        for folder, source in self._binds().items():
            if path == folder or path.startswith(f"{folder}/"):
                return source / path[len(folder) :].lstrip("/")
        return self._disk.root / path.lstrip("/")

    def install_deb(self, package: Path, *, timeout: float = 180.0) -> str:
        """Install a package with apt-get, which finds its dependencies installed already."""
        path = f"/root/{package.name}"
        self.copy_in(package, path)
        command = ["apt-get", "install", "--yes", "--no-install-recommends", path]
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        return self.run(command, timeout=timeout, env=env).stdout

    def collect(self, folder: Path) -> None:
        """Save what explains a failure into *folder*; nothing that is missing makes it fail."""
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(self._console, folder / "console.log")
        journal = ["journalctl", "--no-pager", "--directory=/var/log/journal"]
        self._save(folder / "journal.txt", *journal, "--output=short-precise")
        self._save(folder / "journal.export", *journal, "--output=export")
        kept = "etc/docker etc/dockcfgd etc/systemd/system/docker.service.d var/lib/dockcfgd"
        archive = ["tar", "-C", "/", "--ignore-failed-read", "--exclude=*.zst", "-cf", "-"]
        self._save(folder / "files.tar", *archive, *kept.split(), "run/dockcfgd")
        if self.running:
            self._save(folder / "units.txt", "systemctl", "list-units", "--all", "--no-pager")
            services = ("docker", "containerd", "dockcfgd", "dockcfgd-recover")
            self._save(folder / "services.txt", "systemctl", "status", "--no-pager", *services)
            self._save(folder / "containers.txt", "docker", "ps", "--all", "--no-trunc")
            self._save(folder / "info.txt", "docker", "info")

    # Inside

    @property
    def _console(self) -> Path:
        return self._folder / "console.log"

    def _running(self) -> nspawn.Booted:
        if self._booted is None or not self._booted.alive():
            raise MachineError(f"cannot use {self.name}: it is off")
        return self._booted

    def _binds(self) -> dict[str, Path]:
        folders = {
            path: self._disk.data_folder(path.strip("/").replace("/", "-"))
            for path in self._folders
        }
        devices = [Path(path) for path in self._devices]
        if self._disk.filesystem == "btrfs":
            # containerd mounts each layer there from its device.
            devices += [self._disk.device] if self._disk.device else []
        return folders | {str(path): path for path in devices if path.exists()}

    def _await_systemd(self) -> None:
        def state() -> str | None:
            if not self.running:
                raise MachineError(self._boot_failure("its init ended"))
            # Without --wait: that hangs when the bus goes away under it.
            said = self.run(["systemctl", "is-system-running"], check=False).stdout.strip()
            return said if said in {"running", "degraded"} else None

        try:
            wait_for(state, _BOOT_SECONDS, interval=0.03)
        except TimeoutError as error:
            raise MachineError(self._boot_failure("systemd does not finish")) from error

    def _await_docker(self) -> None:
        def answers() -> bool:
            if self.unit("docker.service")["ActiveState"] == "failed":
                raise MachineError(self._boot_failure(self.journal("docker.service")))
            return self.ping()

        try:
            wait_for(answers, _BOOT_SECONDS)
        except TimeoutError as error:
            raise MachineError(self._boot_failure("the engine does not answer")) from error

    def ping(self) -> bool:
        """Tell whether the engine answers on its socket, within a second."""
        address = f"/proc/{self.pid}/root/run/docker.sock"
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(address)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        return False

    def _boot_failure(self, reason: str) -> str:
        text = self._console.read_text(errors="replace")[-1500:]
        return f"cannot boot {self.name} ({self.suite}): {reason}\n{text}"

    def _leave(self, verb: str) -> None:
        booted = self._running()
        self.run(["systemctl", verb], check=False)
        if not booted.await_end(_STOP_SECONDS):
            raise MachineError(f"cannot {verb} {self.name}: still on after {_STOP_SECONDS:g} s")

    def _call(
        self,
        command: list[str],
        *,
        data: IO[bytes] | bytes | None,
        timeout: float,
        env: Mapping[str, str] | None,
    ) -> subprocess.CompletedProcess[bytes]:
        return _bounded(
            nspawn.entered(self.pid, command),
            source=data,
            timeout=timeout,
            env=_ENVIRONMENT | dict(env or {}),
        )

    def _file_call(self, *command: str, source: bytes = b"") -> bytes:
        if self.running:
            return self.run_bytes(command, source=source)
        mapped = [self._off_path(argument) for argument in command]
        done = _bounded(mapped, source=source, timeout=60.0, env=_ENVIRONMENT)
        if done.returncode != 0:
            raise CommandFailed(done.returncode, list(command), "", done.stderr.decode())
        return done.stdout

    def _off_path(self, argument: str) -> str:
        return str(self.host_path(argument)) if argument.startswith("/") else argument

    def _save(self, target: Path, *command: str) -> None:
        """Write what a command prints, in the machine or, while it is off, in its root."""
        try:
            inside = self._inside(command)
            done = _bounded(inside, source=None, timeout=30.0, env=_ENVIRONMENT)
        except (OSError, subprocess.TimeoutExpired, MachineError) as error:
            target.write_text(f"{error}\n")
        else:
            target.write_bytes(done.stdout or done.stderr)

    def _inside(self, command: Sequence[str]) -> list[str]:
        if self.running:
            return nspawn.entered(self.pid, command)
        # journalctl of systemd 258 and newer reads nothing without /proc.
        enter = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", enter, str(self._disk.root), *command]


def probe(suite: str = "trixie") -> None:
    """Raise MachineUnavailable, with the reason, if machines cannot be made here.

    Quick once the root of *suite* is there: one command is run in it.
    """
    if os.geteuid() != 0:
        raise MachineUnavailable("cannot make a machine: not root")
    for tool in ("systemd-nspawn", "nsenter", "mount", "umount"):
        if shutil.which(tool) is None:
            raise MachineUnavailable(f"cannot make a machine: {tool} is not installed")
    nspawn.cgroup_root()
    _try_out(ensure_root(suite))


@functools.cache
def _try_out(base: Path) -> None:
    name = f"dockcfgd-{os.getpid()}-{next(_numbers)}"
    folder, lock = _claim(name)
    disk = Disk(folder, base=base, filesystem="host", size_mb=0)
    try:
        disk.make()
        nspawn.try_out(disk.root, name=name)
    except MachineError as error:
        raise MachineUnavailable(str(error)) from error
    finally:
        _remove(folder)
        lock.close()


def _claim(name: str) -> tuple[Path, IO[bytes]]:
    """Make the folder of a machine, locked as long as the returned file is open.

    Folders whose owner has gone without removing them are removed first.
    """
    machines = cache_folder() / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    with _exclusive(machines / "making"):
        for owner in machines.glob("*.lock"):
            _remove_if_abandoned(owner)
        folder = machines / name
        lock = _owner(folder).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir()
    return folder, lock


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _owner(folder: Path) -> Path:
    """Return the file that is locked while *folder* has an owner.

    It lies beside the folder: an open file in there would keep it from being unmounted.
    """
    return folder.with_name(f"{folder.name}.lock")


def _remove_if_abandoned(owner: Path) -> None:
    try:
        with owner.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(owner.with_suffix(""))
    except (BlockingIOError, FileNotFoundError):
        return


def _remove(folder: Path) -> None:
    """End whatever still runs of a machine and remove everything of it."""
    nspawn.end(folder.name)
    unmount_below(folder)
    if folder.exists():
        shutil.rmtree(folder)
    nspawn.remove_cgroup(folder.name)
    _owner(folder).unlink(missing_ok=True)


def _bounded(
    command: Sequence[str],
    *,
    source: IO[bytes] | bytes | None,
    timeout: float,
    env: Mapping[str, str],
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a session of its own, all of which is killed when time is out."""
    data = source if isinstance(source, bytes) else None
    file = subprocess.DEVNULL if source is None or isinstance(source, bytes) else source
    with subprocess.Popen(
        command,
        stdin=file if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(data, timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)
