"""Cached Debian roots with systemd and Docker, one for each release.

    python3 tests/machine/roots.py bookworm trixie forky

builds what is missing and prints where each lies. A root is never changed once it is there: what
it is made from names its folder, and a machine (machine.py) writes into an overlay above it.

The cache is $DOCKCFGD_TEST_CACHE, by default /var/cache/dockcfgd-test. The mirror is that of the
host's own apt sources, or $DOCKCFGD_TEST_MIRROR.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = [
    "SUITES",
    "MachineError",
    "MachineUnavailable",
    "cache_folder",
    "ensure_root",
    "ensure_roots",
    "lines",
    "stanzas",
]

SUITES = ("bookworm", "trixie", "forky")

_BUILDERS = 2

_PACKAGES = (
    # the system
    "systemd",
    "systemd-sysv",
    "dbus",
    "init-system-helpers",
    "procps",
    "iproute2",
    "iptables",
    "zstd",
    "xz-utils",
    "busybox-static",
    # the engine, the drivers that need a tool of their own, and a registry on loopback
    "docker.io",
    "docker-registry",
    "fuse-overlayfs",
    "btrfs-progs",
    # who else than root may change something
    "polkitd",
    # what the package depends on, so that it installs without a network
    "python3",
    "python3-gi",
    "gir1.2-glib-2.0",
    "python3-h2",
    "python3-pydbus",
    "python3-pydantic",
    "python3-structlog",
    "python3-tomli-w",
    "python3-watchdog",
    "python3-zstandard",
)

# The client is part of docker.io in bookworm.
_MORE_PACKAGES = {"trixie": ("docker-cli", "docker-compose"), "forky": ("docker-cli",)}

_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "force-unsafe-io",
)

# Run with the root's folder as $1. Masked is what slows a boot, wakes up by itself or asks for
# hardware; docker.service, docker.socket and containerd.service stay as Debian enables them.
_CUSTOMIZE = """\
set -eu
units="$1/etc/systemd/system"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    e2scrub_reap.service fstrim.timer man-db.timer systemd-tmpfiles-clean.timer \\
    console-getty.service container-getty@.service getty@.service getty.target \\
    systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \\
    systemd-resolved.service systemd-timesyncd.service systemd-firstboot.service \\
    systemd-hwdb-update.service systemd-journal-catalog-update.service ldconfig.service \\
    systemd-update-done.service systemd-udevd.service systemd-udev-trigger.service \\
    systemd-modules-load.service systemd-pstore.service systemd-binfmt.service \\
    dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount docker-registry.service \\
    proc-sys-fs-binfmt_misc.automount
do
    ln -sf /dev/null "$units/$unit"
done
ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"
mkdir -p "$1/var/log/journal" "$1/etc/systemd/journald.conf.d"
printf '[Journal]\\nStorage=persistent\\nRateLimitIntervalSec=0\\n' \\
    > "$1/etc/systemd/journald.conf.d/test.conf"
# A container whose first process ignores SIGTERM holds a shutdown up for this long.
mkdir -p "$1/etc/systemd/system.conf.d"
printf '[Manager]\\nDefaultTimeoutStopSec=15s\\n' > "$1/etc/systemd/system.conf.d/test.conf"
# The options of the build are not those of what is installed later.
rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/apt.conf.d/99mmdebstrap
echo machine > "$1/etc/hostname"
printf '127.0.0.1 localhost machine\\n::1 localhost\\n' > "$1/etc/hosts"
rm -f "$1/etc/resolv.conf"
: > "$1/etc/resolv.conf"
: > "$1/etc/machine-id"
rm -rf "$1"/var/lib/docker/* "$1"/var/lib/containerd/*
"""


class MachineUnavailable(RuntimeError):
    """A test machine cannot be made here; the text says why."""


class MachineError(RuntimeError):
    """A machine that was made does not do what it should: it does not boot, or not stop."""


def cache_folder() -> Path:
    """Return the folder that holds the roots and the machines; it may not exist yet."""
    return Path(os.environ.get("DOCKCFGD_TEST_CACHE") or "/var/cache/dockcfgd-test")


def ensure_root(suite: str) -> Path:
    """Return the root of *suite*, built first if need be (about a minute).

    Raises MachineUnavailable where it cannot be built.
    """
    roots = cache_folder() / "roots"
    root = roots / f"{suite}-{_fingerprint(suite)}"
    if root.is_dir():
        return root
    if os.geteuid() != 0:
        raise MachineUnavailable(f"cannot build a {suite} root: not root")
    roots.mkdir(parents=True, exist_ok=True)
    with _locked(roots / f"{suite}.lock"):
        if not root.is_dir():
            _build(suite, root)
    return root


def ensure_roots(suites: Sequence[str]) -> dict[str, Path]:
    """Return the root of each of *suites*; missing ones are built two at a time."""
    with concurrent.futures.ThreadPoolExecutor(_BUILDERS) as pool:
        return dict(zip(suites, pool.map(ensure_root, suites), strict=True))


def _packages(suite: str) -> tuple[str, ...]:
    return _PACKAGES + _MORE_PACKAGES.get(suite, ())


def _fingerprint(suite: str) -> str:
    parts = [suite, _packages(suite), _DPKG_OPTIONS, _CUSTOMIZE]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(suite: str, root: Path) -> None:
    for leftover in root.parent.glob(f".building-{suite}-*"):
        shutil.rmtree(leftover)
    folder = root.parent / f".building-{suite}-{os.getpid()}"
    folder.mkdir()
    hook = folder / "customize.sh"
    hook.write_text(_CUSTOMIZE)
    tree = folder / "root"
    with (folder / "log").open("w+") as log:
        status = _call(_mmdebstrap(suite, hook=hook, tree=tree), log=log.fileno())
        if status != 0:
            log.seek(0)
            last = " | ".join(log.read().strip().splitlines()[-5:])
            raise MachineUnavailable(f"cannot build a {suite} root: {last}")
    tree.chmod(0o755)
    tree.rename(root)
    shutil.rmtree(folder)


def _call(command: Sequence[str], *, log: int) -> int:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        ).returncode
    except FileNotFoundError as error:
        raise MachineUnavailable(f"cannot build a Debian root: {error}") from error


def _mmdebstrap(suite: str, *, hook: Path, tree: Path) -> list[str]:
    return [
        "nice",
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(_packages(suite))}",
        *(f"--aptopt={line}" for line in _apt_options()),
        *(f"--dpkgopt={line}" for line in _DPKG_OPTIONS),
        f'--customize-hook=sh {hook} "$1"',
        suite,
        str(tree),
        f"deb {_mirror()} {suite} main",
    ]


def _apt_options() -> list[str]:
    """Return how the host's own apt reaches its mirror, as lines of apt.conf.

    A testing release may not have been signed again for longer than its Valid-Until says.
    """
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise MachineUnavailable(f"cannot build a Debian root: {error}") from error
    wanted = re.compile(r"Acquire::(Check-Date|https?::(.*::)?(Proxy|CaInfo|CaPath|Verify-\w+)) ")
    return [line for line in dump.stdout.splitlines() if wanted.match(line)] + [
        'Acquire::Check-Valid-Until "false";'
    ]


def _mirror() -> str:
    """Return the address of the Debian archive that the host itself installs from."""
    chosen = os.environ.get("DOCKCFGD_TEST_MIRROR")
    if chosen:
        return chosen
    for address, suite, components in _sources():
        if "main" in components and suite.partition("-")[0] in (*SUITES, *_OTHER_NAMES):
            return address
    raise MachineUnavailable(
        "cannot build a Debian root: no Debian archive in the host's apt sources "
        "(set DOCKCFGD_TEST_MIRROR)"
    )


_OTHER_NAMES = ("stable", "testing", "unstable", "sid", "bullseye", "duke")


def _sources() -> Iterator[tuple[str, str, list[str]]]:
    """Yield address, suite and components of each binary source, security archives left out."""
    etc = Path("/etc/apt")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text()
        for source in stanzas(text) if path.suffix == ".sources" else lines(text):
            if "security" not in source[1]:
                yield source


def lines(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield address, suite and components of each line of a sources.list."""
    for line in text.splitlines():
        words = re.sub(r"\[.*?\]", "", line.partition("#")[0]).split()
        if len(words) >= 4 and words[0] == "deb":
            yield words[1], words[2], words[3:]


def stanzas(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield address, suite and components of each combination in a deb822 file."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for address in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield address, suite, fields.get("components", [])


def _fields(stanza: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        value = line
        if not line.startswith((" ", "\t")):
            name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), []).extend(value.split())
    return fields


def main(arguments: Sequence[str]) -> int:
    """Build the roots of the named suites (all, if none is named)."""
    began = time.monotonic()
    try:
        for suite, root in ensure_roots(arguments or SUITES).items():
            print(f"{suite}: {root}")
    except MachineUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
