"""What a change of the storage driver costs, on a booted machine, beside what the engine costs.

Run as `python -m tests.bench.migration [GB…]` as root. In one run, on the same machine with the
same running containers, it measures for each amount of images

    the outage of `systemctl restart docker`, and of a migration there and back: how long the
    containers are away, each of which writes the time every 50 ms
    the throughput of the backup's archive, beside `docker save | zstd -T0`
    the peak memory of dockcfgd and of the programs that it starts

and ends with 1 where a limit is not kept. Layers are of random bytes: nothing compresses.
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
# Limits: an outage by that of a restart, the longest by the shortest over all amounts of images,
# the archive's throughput by that of the pipe, memory.
OUTAGE, FLAT, THROUGHPUT, MEMORY_MB = 1.5, 1.25, 0.9, 150

_ROUNDS = 2
_PAIRS = 3
_LAYER_MB = 256
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
    def ratio(self) -> float:
        """An outage of a migration by that of a restart."""
        return self.outage / statistics.median(self.restarts)

    @property
    def outage(self) -> float:
        """How long containers were away, in a migration that is neither the best nor the worst."""
        return statistics.median(seconds for _, seconds in self.outages)


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print the figures beside their limits; 1 where one is not kept."""
    sizes = [float(one) for one in arguments] or list(SIZES)
    try:
        with Machine("trixie") as machine:
            machine.boot()
            machine.install_deb(build("trixie", _TREE / "build" / "bench"))
            steps = zip([0.0, *sizes], sizes, strict=False)
            figures = [_measured(machine, before, size) for before, size in steps]
    except MachineUnavailable as why:
        print(f"migration: not measured: {why}")
        return 0
    return 0 if all([*map(_kept, figures), _flat(figures)]) else 1


def _measured(machine: Machine, before: float, size: float) -> Figures:
    figures = Figures(size)
    _fill(machine, before, size)
    with watched(machine.pid) as figures.peak:
        figures.restarts.append(_outage(machine, _restart))
        for driver in (DRIVER, "overlay2") * _ROUNDS:
            figures.outages.append((driver, _outage(machine, _Change(driver))))
            figures.steps[driver] = _steps(machine)
            figures.restarts.append(_outage(machine, _restart))
        for _ in range(_PAIRS):
            _pair(machine, size, figures)
    print(figures, flush=True)
    return figures


def _fill(machine: Machine, before: float, size: float) -> None:
    """Give a machine with that many GB of images as many as `size`; containers of the newest."""
    docker = machine.docker
    for name in docker("ps", "--all", "--quiet").split():
        docker("rm", "--force", name)
    whole, rest = divmod((size - before) * 1e9 / _MB, _LAYER_MB)
    image = f"app:{size:g}"
    make_image(machine, image, layers_mb=[*[float(_LAYER_MB)] * int(whole), rest])
    machine.run("mkdir -p /srv/clock")
    script = _CLOCK.format(bytes=WRITTEN_MB * _MB)
    for number in range(CONTAINERS):
        name = f"c{number}"
        docker("run", "--detach", "--restart=unless-stopped", f"--name={name}",
               f"--hostname={name}", "--volume=/srv/clock:/clock", image, "sh", "-c", script,
               )  # fmt: skip
    machine.run("sync", timeout=300)


class _Change:
    def __init__(self, driver: str) -> None:
        self._driver = driver

    def __call__(self, machine: Machine) -> None:
        text = (
            f'schema = 1\n[engine]\nstorage-driver = "{self._driver}"\n'
            '[backup]\nkeep = 1\n[verify]\nsettle = "1s"\n'
        )
        machine.write("/etc/dockcfgd/conf.toml", text)
        done = machine.run(["dockcfgctl", "wait", "--timeout", "15m"], check=False, timeout=910)
        if done.returncode or machine.docker("info", "--format={{.Driver}}") != self._driver:
            sys.exit(f"not migrated: {done.stdout}{done.stderr}{_last(machine)}")


def _restart(machine: Machine) -> None:
    machine.run("systemctl reset-failed docker.socket docker")
    machine.run("systemctl restart docker", timeout=120)


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


def _pair(machine: Machine, size: float, figures: Figures) -> None:
    """Archive the same images both ways."""
    began = time.monotonic()
    images = machine.docker("images", "--format={{.Repository}}:{{.Tag}}").split()
    line = f"docker save {' '.join(images)} | zstd -q -T0 -o /srv/all"
    machine.run(line, timeout=900)
    machine.run("sync -f /srv/all", timeout=300)
    pipe = time.monotonic() - began
    machine.run("rm /srv/all")
    before = _backups(machine)
    began = time.monotonic()
    machine.run(["dockcfgctl", "backup", "create", *images], timeout=900)
    own = time.monotonic() - began
    for made in _backups(machine) - before:
        machine.run(["dockcfgctl", "backup", "prune", made])
    figures.ratios.append(pipe / own)
    figures.archive_mb_s.append(size * 1000 / own)


def _backups(machine: Machine) -> set[str]:
    listed = json.loads(machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout)
    return {str(one["id"]) for one in listed["backups"]}


def _kept(figures: Figures) -> bool:
    """Print the figures of one amount; whether all are within their limits."""
    restart = statistics.median(figures.restarts)
    outages = ", ".join(f"to {key} {value:.2f} s" for key, value in figures.outages)
    print(f"{figures.size_gb:g} GB of images, {CONTAINERS} containers")
    print(f"  outage: restart {restart:.2f} s ({_several(figures.restarts)}), {outages}")
    for driver, steps in figures.steps.items():
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in _within(steps))
        print(f"    to {driver}: {told}")
    throughput = statistics.median(figures.ratios)
    rate = statistics.median(figures.archive_mb_s)
    print(f"  archive: {rate:.0f} MB/s")
    return all([
        _limit("outage by that of a restart", figures.ratio, most=OUTAGE),
        _limit(f"archive by docker save | zstd -T0 ({_several(figures.ratios)})",
               throughput, least=THROUGHPUT),
        _limit(f"peak memory in MB ({figures.peak})", figures.peak.total_mb, most=MEMORY_MB),
    ])  # fmt: skip


def _flat(figures: Sequence[Figures]) -> bool:
    longest = [one.outage for one in figures]
    return _limit("longest outage by the shortest, over all amounts",
                  max(longest) / min(longest), most=FLAT)  # fmt: skip


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
