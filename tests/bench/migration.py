"""What a change of the storage driver costs, on a booted machine, beside what the engine costs.

Run as `python -m tests.bench.migration [GB…]` as root. In one run, on the same machine with the
same running containers, it measures for each amount of images

    the outage of `systemctl restart docker`, and of a migration there and back: how long the
    containers are away, each of which writes the time every 50 ms
    the throughput of the backup's archive, beside `docker save | zstd -T0`
    the peak memory of dockcfgd and of the programs that it starts

and ends with 1 where a limit is not kept, or nothing could be measured. Each migration is compared
with the restarts right before and after it, one on either driver, and the archives take turns in
who is first: what else the machine does then hits both alike. Layers are of random bytes: nothing
compresses.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TREE = Path(__file__).parents[2]
sys.path[:0] = [str(_TREE / "tests" / "machine"), str(_TREE)]

from images import make_image  # noqa: E402 -- tests/machine is on the path from here on
from machine import Machine, MachineUnavailable, wait_for  # noqa: E402
from tests.bench.memory import Memory, watched  # noqa: E402
from tests.support.packages import build  # noqa: E402

__all__ = ["main"]

SIZES = (0.2, 1.0, 4.0)
CONTAINERS = 10
WRITTEN_MB = 1
DRIVER = "fuse-overlayfs"
# Limits: an outage by that of a restart, the largest of these by the smallest over all amounts of
# images, the archive's throughput by that of the pipe, memory.
OUTAGE, FLAT, THROUGHPUT, MEMORY_MB = 1.5, 1.25, 0.9, 150

_ROUNDS = 2
# The bigger the images, the less a single pair depends on chance.
_PAIRS, _PAIRS_OF_LARGE, _LARGE_GB = 4, 2, 2.0
_LAYER_MB, _IMAGE_LAYERS = 256, 4
_PATIENCE = 3600.0
_MB = 1 << 20
# No process but the shell itself: the clocks are not to be the load.
_CLOCK = """\
[ -e /own ] || head -c {bytes} /dev/urandom > /own
trap 'exit 0' TERM; rm -f /pipe; mkfifo /pipe; exec 3<>/pipe 4>>/clock/$HOSTNAME
while :; do read -r now rest </proc/uptime; echo $now >&4; read -r -t 0.05 none <&3; done
"""


@dataclass
class Figures:
    """What was measured with one amount of images."""

    size_gb: float
    restarts: list[float] = field(default_factory=list)
    outages: list[tuple[str, float]] = field(default_factory=list)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    ratios: list[float] = field(default_factory=list)
    archive_mb_s: list[float] = field(default_factory=list)
    peak: Memory = field(default_factory=Memory)

    @property
    def outage_ratios(self) -> list[float]:
        """The outage of each migration by that of the restarts on the drivers from and to."""
        beside = map(statistics.mean, itertools.pairwise(self.restarts))
        return [own / of_restart for (_, own), of_restart in zip(self.outages, beside, strict=True)]

    @property
    def outage_ratio(self) -> float:
        """That of a migration that is neither the best nor the worst."""
        return statistics.median(self.outage_ratios)


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print the figures beside their limits; 1 where one is not kept, or not known."""
    sizes = [float(one) for one in arguments] or list(SIZES)
    try:
        with Machine("trixie") as machine:
            machine.boot()
            machine.install_deb(build("trixie", _TREE / "build" / "bench"))
            figures, kept = [], []
            for before, size in itertools.pairwise([0.0, *sizes]):
                figures.append(_measured(machine, before, size))
                kept.append(_kept(figures[-1]))
    except MachineUnavailable as why:
        print(f"migration: not measured: {why}")
        return 1
    return 0 if all([*kept, _flat(figures)]) else 1


def _measured(machine: Machine, before: float, size: float) -> Figures:
    figures = Figures(size)
    _fill(machine, before, size)
    with watched(machine.pid) as figures.peak:
        figures.restarts.append(_outage(machine, _restart))
        for driver in (DRIVER, "overlay2") * _ROUNDS:
            figures.outages.append((driver, _outage(machine, _Change(driver))))
            figures.steps[driver] = _steps(machine)
            figures.restarts.append(_outage(machine, _restart))
        for number in range(_PAIRS if size < _LARGE_GB else _PAIRS_OF_LARGE):
            _pair(machine, size, figures, first=(_piped, _backed_up)[number % 2])
    return figures


def _fill(machine: Machine, before: float, size: float) -> None:
    """Give a machine with that many GB of images as many as `size`; containers of the newest."""
    docker = machine.docker
    for name in docker("ps", "--all", "--quiet").split():
        docker("rm", "--force", name)
    whole, rest = divmod((size - before) * 1e9 / _MB, _LAYER_MB)
    layers, image = [*[float(_LAYER_MB)] * int(whole), rest], ""
    for number in range(0, len(layers), _IMAGE_LAYERS):
        image = f"app:{size:g}-{number}"
        make_image(machine, image, layers_mb=layers[number : number + _IMAGE_LAYERS])
    machine.run("mkdir -p /srv/clock")
    script = _CLOCK.format(bytes=WRITTEN_MB * _MB)
    for number in range(CONTAINERS):
        name = f"c{number}"
        docker("run", "--detach", "--restart=unless-stopped", f"--name={name}",
               f"--hostname={name}", "--volume=/srv/clock:/clock", image, "sh", "-c", script,
               )  # fmt: skip
    machine.run("sync", timeout=_PATIENCE)


class _Change:
    def __init__(self, driver: str) -> None:
        self._driver = driver

    def __call__(self, machine: Machine) -> None:
        text = (
            f'schema = 1\n[engine]\nstorage-driver = "{self._driver}"\n'
            '[backup]\nkeep = 1\n[verify]\nsettle = "1s"\n'
        )
        machine.write("/etc/dockcfgd/conf.toml", text)
        done = machine.run(
            ["dockcfgctl", "wait", "--timeout", "1h"], check=False, timeout=_PATIENCE
        )
        if done.returncode or machine.docker("info", "--format={{.Driver}}") != self._driver:
            sys.exit(f"not migrated: {done.stdout}{done.stderr}{_last(machine)}")


def _restart(machine: Machine) -> None:
    machine.run("systemctl reset-failed docker.socket docker")
    machine.run("systemctl restart docker", timeout=300)


def _outage(machine: Machine, action: Callable[[Machine], None]) -> float:
    """Give how long the container that was away longest was away while it was done."""
    began = _uptime()
    time.sleep(0.5)
    action(machine)
    ended = _uptime()
    wait_for(lambda: all(one[-1] > ended for one in _clocks(machine)), 60, what="all are back")
    return max(_gap([at for at in clock if at > began - 1]) for clock in _clocks(machine))


def _gap(times: list[float]) -> float:
    return max(after - before for before, after in itertools.pairwise(times))


def _clocks(machine: Machine) -> list[list[float]]:
    folder = machine.host_path("/srv/clock")
    return [
        [float(line) for line in (folder / f"c{number}").read_text().splitlines()[:-1]]
        for number in range(CONTAINERS)
    ]


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _last(machine: Machine) -> dict[str, object]:
    last = json.loads(machine.read("/run/dockcfgd/status.json"))["last"]
    return last if isinstance(last, dict) else {}


def _steps(machine: Machine) -> dict[str, float]:
    steps = _last(machine).get("steps")
    assert isinstance(steps, list)
    return {str(one["name"]): float(one["seconds"] or 0) for one in steps}


_Archive = Callable[[Machine, Sequence[str]], float]


def _pair(machine: Machine, size: float, figures: Figures, *, first: _Archive) -> None:
    """Archive the same images both ways; what one way makes is gone before the other begins."""
    images = machine.docker("images", "--format={{.Repository}}:{{.Tag}}").split()
    second = _backed_up if first is _piped else _piped
    seconds = {way: way(machine, images) for way in (first, second)}
    figures.ratios.append(seconds[_piped] / seconds[_backed_up])
    figures.archive_mb_s.append(size * 1000 / seconds[_backed_up])


def _piped(machine: Machine, images: Sequence[str]) -> float:
    """Save images through a pipe, durably as a backup is; give the seconds."""
    line = f"docker save {' '.join(images)} | zstd -q -T0 -o /srv/all && sync -f /srv/all"
    began = time.monotonic()
    machine.run(line, timeout=_PATIENCE)
    seconds = time.monotonic() - began
    machine.run("rm /srv/all && sync -f /srv", timeout=_PATIENCE)
    return seconds


def _backed_up(machine: Machine, images: Sequence[str]) -> float:
    before = _backups(machine)
    began = time.monotonic()
    machine.run(["dockcfgctl", "backup", "create", *images], timeout=_PATIENCE)
    seconds = time.monotonic() - began
    for made in _backups(machine) - before:
        machine.run(["dockcfgctl", "backup", "prune", made], timeout=_PATIENCE)
    machine.run("sync -f /var/lib/dockcfgd", timeout=_PATIENCE)
    return seconds


def _backups(machine: Machine) -> set[str]:
    listed = json.loads(machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout)
    return {str(one["id"]) for one in listed["backups"]}


def _kept(figures: Figures) -> bool:
    """Print the figures of one amount; whether all are within their limits."""
    outages = ", ".join(f"to {key} {value:.2f} s" for key, value in figures.outages)
    print(f"{figures.size_gb:g} GB of images, {CONTAINERS} containers")
    print(f"  outage: of restarts {_several(figures.restarts)} s, {outages}")
    for driver, steps in figures.steps.items():
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in _within(steps))
        print(f"    to {driver}: {told}")
    rates = figures.archive_mb_s
    print(f"  archive: {statistics.median(rates):.0f} MB/s")
    return all([
        _limit(f"outage by that of a restart ({_several(figures.outage_ratios)})",
               figures.outage_ratio, most=OUTAGE),
        _limit(f"archive by docker save | zstd -T0 ({_several(figures.ratios)})",
               statistics.median(figures.ratios), least=THROUGHPUT),
        _limit(f"peak memory in MB ({figures.peak})", figures.peak.total_mb, most=MEMORY_MB),
    ])  # fmt: skip


def _flat(figures: Sequence[Figures]) -> bool:
    ratios = [one.outage_ratio for one in figures]
    return _limit("largest outage by that of a restart, by the smallest, over all amounts",
                  max(ratios) / min(ratios), most=FLAT)  # fmt: skip


def _limit(what: str, value: float, *, most: float = 0.0, least: float = 0.0) -> bool:
    good = value <= most if most else value >= least
    bound = f"at most {most:g}" if most else f"at least {least:g}"
    print(f"  {what}: {value:.2f} ({bound}){'' if good else ': MISSED'}", flush=True)
    return good


def _within(steps: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Give the steps from the engine's stop to when the containers are back."""
    names = list(steps)
    first = next(number for number, name in enumerate(names) if "stop the engine" in name)
    last = next(number for number, name in enumerate(names) if "start the engine" in name)
    for name in names[first : last + 2]:
        yield name.split(",")[0][:40], steps[name]


def _several(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
