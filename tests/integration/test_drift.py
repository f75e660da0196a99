"""What somebody else does to the host is seen, put back, and costs little."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.integration.house import House

SEEN = 3.0  # a second on a machine that has nothing else to do


class TestDrift:
    """Of files that the engine's start reads, and of those that dockcfgd wrote."""

    KEY = "max-concurrent-downloads"

    @pytest.fixture
    def kept(self, house: House) -> House:
        house.start()
        house.drop("one.toml", f"[engine]\n{self.KEY} = 5")
        house.until(lambda status: status["condition"] == "in-sync")
        return house

    def put_back(self, house: House) -> float:
        begin = time.monotonic()
        while self.written(house) != 5:
            assert time.monotonic() - begin < 10, f"not put back\n{house.log()}"
            time.sleep(0.01)
        seconds = time.monotonic() - begin
        print(f"put back in {seconds:.2f} s")
        house.until(lambda status: status["condition"] == "in-sync")
        return seconds

    def written(self, house: House) -> object:
        try:
            document: dict[str, object] = json.loads(house.daemon_json.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return document.get(self.KEY)

    def test_a_hand_edit(self, kept: House) -> None:
        kept.daemon_json.write_text(json.dumps({self.KEY: 7}))
        assert self.put_back(kept) < SEEN

    def test_a_file_moved_away(self, kept: House) -> None:
        kept.daemon_json.rename(kept.daemon_json.with_suffix(".away"))
        assert self.put_back(kept) < SEEN

    def test_a_file_replaced_by_a_link(self, kept: House) -> None:
        other = kept.folder / "other.json"
        other.write_text(json.dumps({self.KEY: 7}))
        kept.daemon_json.unlink()
        kept.daemon_json.symlink_to(other)
        assert self.put_back(kept) < SEEN
        assert kept.daemon_json.is_symlink()
        assert self.written(kept) == json.loads(other.read_text())[self.KEY] == 5

    def test_an_environment_file(self, house: House) -> None:
        folder = house.folder / "etc/default"
        folder.mkdir()
        file = folder / "docker"
        file.write_text("A=1\n")
        house.systemd.set_unit("docker.service", EnvironmentFiles=[[str(file), True]])
        house.start()
        house.drop("one.toml", f"[engine]\n{self.KEY} = 5")
        house.until(lambda status: status["condition"] == "in-sync")
        before = len(house.systemd.calls("LoadUnit"))
        file.write_text("A=2\n")
        begin = time.monotonic()
        while len(house.systemd.calls("LoadUnit")) == before:
            assert time.monotonic() - begin < SEEN, "the edit was not seen"
            time.sleep(0.02)


def test_ten_thousand_touches_cost_little(house: House) -> None:
    daemon = house.start()
    path = house.drop("one.toml", "[engine]\nmax-concurrent-downloads = 5")
    house.until(lambda status: status["condition"] == "in-sync")
    before, grown = used(daemon.pid)
    for _ in range(100):
        for _ in range(100):
            os.utime(path)
        time.sleep(0.05)
    after, size = used(daemon.pid)
    house.until(lambda status: status["condition"] == "in-sync")
    print(f"{after - before:.2f} s of CPU, {size - grown} KiB more")
    assert after - before < 20
    assert size - grown < 20_000


def used(pid: int) -> tuple[float, int]:
    """Give the CPU seconds and KiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * 4
