"""Runs inside a machine as dockcfgd.service and does all that the daemon must be able to do there.

Writes {check: null or what went wrong} to /run/dockcfgd/probe.json. The standard library and pydbus
only, so that it runs wherever the package does.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GLib
from pydbus import SystemBus

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = f"{SYSTEMD}.Manager"
SECONDS = 60
EXCHANGE = 2
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


def expect(fact: object, text: str) -> None:
    if not fact:
        raise AssertionError(text)


def refused(call: Callable[[], object]) -> None:
    try:
        call()
    except OSError:
        return
    raise AssertionError("the sandbox lets it through")


def replace_keeping_owner() -> None:
    shutil.rmtree("/etc/docker", ignore_errors=True)
    folder = Path("/etc/docker")
    folder.mkdir(mode=0o755)
    old, new = folder / "daemon.json", folder / ".daemon.json.new"
    old.write_text("{}")
    os.chown(old, 1234, 4321)
    old.chmod(0o600)
    with new.open("w") as handle:
        handle.write('{"debug": true}')
        os.fsync(handle.fileno())
    os.chown(new, 1234, 4321)
    new.chmod(0o640)
    with contextlib.suppress(NotImplementedError):
        os.setxattr(new, "user.origin", b"probe")
    left, right = os.fsencode(new), os.fsencode(old)
    result = libc.renameat2(AT_FDCWD, left, AT_FDCWD, right, EXCHANGE)
    expect(result == 0, f"renameat2: {os.strerror(ctypes.get_errno())}")
    state = old.stat()
    expect((state.st_uid, state.st_gid) == (1234, 4321), "the owner is lost")
    expect(state.st_mode & 0o777 == 0o640, "the mode is lost")
    expect(os.getxattr(old, "user.origin") == b"probe", "the attribute is lost")
    new.unlink()
    handle_of_folder = os.open(folder, os.O_RDONLY)
    os.fsync(handle_of_folder)
    os.close(handle_of_folder)
    old.unlink()


def write_desired_state() -> None:
    path = Path("/etc/dockcfgd/conf.d/probe.toml")
    path.write_text("schema = 1\n")
    path.unlink()


def write_drop_in() -> None:
    folder = Path("/etc/systemd/system/docker.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "zz-dockcfgd.conf"
    path.write_text("[Service]\nLimitNOFILE=4096\n")
    path.chmod(0o644)
    path.unlink()
    folder.rmdir()


def rename_folders_of_the_engine() -> None:
    folder = Path("/var/lib/docker/probe-driver")
    (folder / "inner").mkdir(parents=True)
    aside = folder.rename("/var/lib/docker/probe-aside")
    shutil.rmtree(aside)


def rename_a_data_root() -> None:
    folder = Path("/var/lib/probe-data-root")
    folder.mkdir()
    folder.rename("/var/lib/probe-data-root-aside").rmdir()


def keep_state() -> None:
    folder = Path("/var/lib/dockcfgd")
    expect(folder.stat().st_mode & 0o777 == 0o700, "the state folder is open to others")
    path = folder / "probe.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE t (x)")
        database.commit()
    path.unlink()


def publish_status() -> None:
    folder = Path("/run/dockcfgd")
    expect(folder.stat().st_mode & 0o777 == 0o755, "others cannot read the runtime folder")
    path = folder / "probe.txt"
    path.write_text("in sync\n")
    path.chmod(0o644)


def read_any_file() -> None:
    expect(Path("/home/somebody/private").read_text() == "private\n", "cannot read it")
    expect(os.statvfs("/home").f_bavail, "cannot see the free space")


def see_fuse() -> None:
    expect(Path("/dev/fuse").exists(), "not there")


def see_filesystems() -> None:
    expect("overlay" in Path("/proc/filesystems").read_text(), "overlay is not listed")
    expect("/etc" in Path("/proc/self/mountinfo").read_text(), "no mounts are listed")


def ask_engine() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/run/docker.sock")
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        expect(b" 200 " in connection.recv(64), "no answer")


def log_to_journal() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto(b"MESSAGE=probe of the journal\n", "/run/systemd/journal/socket")


def read_journal() -> None:
    command = ["journalctl", "--unit=docker.service", "--lines=5", "--output=json", "--no-pager"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expect(done.stdout.count("MESSAGE") > 0, f"nothing: {done.stderr}")


def validate_configuration() -> None:
    path = Path("/run/dockcfgd/probe-daemon.json")
    seen = []
    for text in ('{"debug": true}', '{"no-such-key": true}'):
        path.write_text(text)
        command = ["dockerd", "--validate", f"--config-file={path}", "-H", "fd://"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seen.append((done.returncode, done.stderr))
    path.unlink()
    if "unknown flag: --validate" in seen[0][1]:  # Docker 20.10
        return
    expect(seen[0][0] == 0, f"a good one is refused: {seen[0]}")
    expect(seen[1][0] == 1 and "no-such-key" in seen[1][1], f"a bad one is not: {seen[1]}")


def end_a_child() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        child.terminate()
        expect(child.wait(10) == -15, "it did not end by SIGTERM")


class Jobs:
    """Waits for jobs of systemd: JobRemoved is subscribed to before anything is asked for."""

    def __init__(self) -> None:
        self.bus = SystemBus()
        self.manager = self.bus.get(SYSTEMD, timeout=SECONDS)[MANAGER]
        self.manager.Subscribe(timeout=SECONDS)
        self.results: dict[str, str] = {}
        self.loop = GLib.MainLoop()
        # A callback from C: libffi must do without memory that is writable and executable.
        self.bus.subscribe(
            iface=MANAGER,
            signal="JobRemoved",
            object="/org/freedesktop/systemd1",
            signal_fired=self.note,
        )

    def note(self, *event: Any) -> None:
        _, path, _, result = event[-1]
        self.results[path] = result
        self.loop.quit()

    def done(self, job: str) -> None:
        GLib.timeout_add_seconds(SECONDS, self.loop.quit)
        while job not in self.results:
            self.loop.run()
        expect(self.results[job] == "done", f"the job ended as {self.results[job]}")


@functools.cache
def systemd_jobs() -> Jobs:
    return Jobs()


def restart_engine() -> None:
    jobs = systemd_jobs()
    jobs.manager.Reload(timeout=SECONDS)
    jobs.manager.ResetFailedUnit("docker.service", timeout=SECONDS)
    jobs.done(jobs.manager.ReloadUnit("docker.service", "replace", timeout=SECONDS))
    jobs.done(jobs.manager.RestartUnit("docker.service", "replace", timeout=SECONDS))
    jobs.done(jobs.manager.StopUnit("docker.socket", "replace", timeout=SECONDS))
    jobs.done(jobs.manager.StartUnit("docker.socket", "replace", timeout=SECONDS))
    jobs.done(jobs.manager.StartUnit("docker.service", "replace", timeout=SECONDS))


def start_transient_unit() -> None:
    jobs = systemd_jobs()
    script = "test -w /usr && mount -t tmpfs none /mnt && umount /mnt"
    command = ("/bin/sh", ["/bin/sh", "-c", script], False)
    properties = [
        ("Type", GLib.Variant("s", "oneshot")),
        ("ExecStart", GLib.Variant("a(sasb)", [command])),
    ]
    unit = "dockcfgd-probe.service"
    jobs.done(jobs.manager.StartTransientUnit(unit, "replace", properties, [], timeout=SECONDS))


def own_bus_name() -> None:
    owned = SystemBus().request_name("org.dockcfgd1", allow_replacement=False)
    owned.unown()


def watch_files() -> None:
    from watchdog.events import FileSystemEventHandler  # noqa: PLC0415  # its absence is a finding
    from watchdog.observers import Observer  # noqa: PLC0415

    seen = threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: Any) -> None:
            del event
            seen.set()

    observer = Observer()
    observer.schedule(Handler(), "/etc/dockcfgd", recursive=False)
    observer.start()
    path = Path("/etc/dockcfgd/probe")
    path.touch()
    expect(seen.wait(5), "no event")
    path.unlink()
    observer.stop()
    observer.join()


def change_programs() -> None:
    refused(lambda: Path("/usr/bin/probe").touch())


def change_homes() -> None:
    refused(lambda: Path("/home/somebody/probe").touch())


def mount_something() -> None:
    if libc.mount(b"/usr", b"/usr", None, 4096, None) == 0:
        raise AssertionError("the sandbox lets it through")


def use_the_network() -> None:
    refused(lambda: socket.socket(socket.AF_INET))


def make_setuid() -> None:
    path = Path("/run/dockcfgd/probe-setuid")
    path.touch()
    refused(lambda: path.chmod(0o4755))
    path.unlink()


CHECKS = (
    replace_keeping_owner,
    write_desired_state,
    write_drop_in,
    rename_folders_of_the_engine,
    rename_a_data_root,
    keep_state,
    publish_status,
    read_any_file,
    see_fuse,
    see_filesystems,
    ask_engine,
    log_to_journal,
    read_journal,
    validate_configuration,
    end_a_child,
    restart_engine,
    start_transient_unit,
    own_bus_name,
    watch_files,
    change_programs,
    change_homes,
    mount_something,
    use_the_network,
    make_setuid,
)


def outcome(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        return f"{type(error).__name__}: {error}"
    return None


def notify(text: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto(text, os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def main() -> int:
    notify(b"READY=1")
    found = {check.__name__: outcome(check) for check in CHECKS}
    Path("/run/dockcfgd/probe.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
