"""A folder that looks as proc(5) does, with the processes of a Docker host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DB", "LOST", "WEB", "ProcTree"]

WEB, DB, LOST = "a" * 64, "b" * 64, "c" * 64
_SHIM = "/usr/bin/containerd-shim-runc-v2"
_SOCKET = "/run/containerd/containerd.sock"


@dataclass
class ProcTree:
    """Writes processes below `folder`."""

    folder: Path

    def add(
        self,
        pid: int,
        parent: int,
        *words: str,
        cgroup: str = "/init.scope",
        inner: int = 0,
        started: int = 100,
        cpu: int = 0,
        kib: int = 1024,
    ) -> None:
        """Add a process; `inner` is its id in a PID namespace of its own, 0: it has none."""
        place = self.folder / str(pid)
        place.mkdir(parents=True)
        name = words[0].rpartition("/")[2][:15]
        fields = ["S", str(parent), *["0"] * 9, str(cpu), "0"]
        fields += ["0"] * 6 + [str(started), "0", "0"]
        (place / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
        spaces = f"{pid}\t{inner}" if inner else f"{pid}"
        status = f"Name:\t{name}\nNSpid:\t{spaces}\nVmRSS:\t{kib:8} kB\n"
        (place / "status").write_text(status)
        (place / "cmdline").write_bytes("\0".join((*words, "")).encode())
        (place / "cgroup").write_text(f"0::{cgroup}\n")

    def engine(self, pid: int = 100) -> None:
        self.add(
            pid, 1, "/usr/sbin/dockerd", "-H", "fd://",
            cgroup="/system.slice/docker.service", cpu=1234, kib=84_000,
        )  # fmt: skip

    def containerd(self, pid: int = 90) -> None:
        self.add(
            pid, 1, "/usr/bin/containerd", cgroup="/system.slice/containerd.service", kib=41_000
        )

    def shim(self, pid: int, container: str, *, namespace: str = "moby") -> None:
        self.add(
            pid, 1, _SHIM, "-namespace", namespace, "-id", container, "-address", _SOCKET,
            cgroup="/system.slice/containerd.service", kib=11_000,
        )  # fmt: skip

    def inside(self, pid: int, parent: int, container: str, inner: int, *words: str) -> None:
        scope = f"/system.slice/docker-{container}.scope"
        self.add(pid, parent, *words, cgroup=scope, inner=inner, started=200 + pid)

    def proxy(self, pid: int, parent: int, *, port: int, address: str) -> None:
        self.add(
            pid, parent, "/usr/sbin/docker-proxy", "-proto", "tcp", "-host-ip", "0.0.0.0",  # noqa: S104 -- as Docker writes it

            "-host-port", str(port), "-container-ip", address, "-container-port", "80",
            "-use-listen-fd", cgroup="/system.slice/docker.service", kib=3_000,
        )  # fmt: skip
