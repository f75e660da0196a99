"""Units of programs that dockcfgd has at work, by what systemd is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.adapters.carrier import UnitCarrier
from dockcfgd.adapters.containerd import Containerd
from dockcfgd.adapters.own_units import FIRST_COPY, ROOT
from dockcfgd.adapters.roots import UnitRoots
from dockcfgd.model.cargo import FirstCopy
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.roots import RootMove
from tests.support.clocks import PlainClock

if TYPE_CHECKING:
    from pathlib import Path

    from dockcfgd.adapters.systemd import SystemdBus
    from tests.support.private_bus import FakeSystemd

pytestmark = pytest.mark.dbus

_USUAL = 100  # the weight of every other service
_IDLE = 3
_UNIT = "dockcfgd-beside.service"


def _unheard(**_: Any) -> None:
    pass


def _yields(given: dict[str, Any]) -> bool:
    weights = [given.get(name, _USUAL) for name in ("CPUWeight", "IOWeight")]
    return all(weight <= _USUAL / 10 for weight in weights)


def test_a_service_beside_others_has_no_network_and_yields(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    systemd.start_service(_UNIT, ["/bin/true", "1"], what="a service", timeout=5)
    given = fake.given(_UNIT)
    assert given["PrivateNetwork"]
    assert _yields(given)
    assert given["BindsTo"] == given["After"] == ["dockcfgd.service"]
    assert given["ExecStart"] == [["/bin/true", ["/bin/true", "1"], False]]


def test_a_service_that_does_not_come_up_is_a_failure(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    fake.rules(result={"StartTransientUnit": "failed"})
    with pytest.raises(SystemdFailure, match="cannot start a service: "):
        systemd.start_service(_UNIT, ["/bin/true"], what="a service", timeout=5)


def test_a_data_root_is_copied_unhurried_only_while_the_engine_serves(
    systemd: SystemdBus, fake: FakeSystemd, tmp_path: Path
) -> None:
    source, target = tmp_path / "docker", tmp_path / "elsewhere"
    (source / "volumes").mkdir(parents=True)
    move = RootMove(str(source), str(target), "T1")
    roots = UnitRoots(systemd, PlainClock(), str(tmp_path))
    roots.copy_live(move, progress=_unheard)
    given = fake.given(ROOT)
    assert _yields(given)
    assert given["IOSchedulingClass"] == _IDLE
    roots.copy_rest(move, progress=_unheard)
    assert not _yields(fake.given(ROOT))
    assert (target / "volumes").is_dir()


def test_writable_layers_are_copied_ahead_unhurried(
    systemd: SystemdBus, fake: FakeSystemd, tmp_path: Path
) -> None:
    root = tmp_path / "docker"
    (root / "containers").mkdir(parents=True)
    carrier = UnitCarrier(systemd, Containerd(str, attend=lambda: None), str(tmp_path))
    copy = FirstCopy(str(root), "overlay2", f"{root}/staging", "vfs")
    carrier.copy_ahead(copy, progress=_unheard)
    given = fake.given(FIRST_COPY)
    assert _yields(given)
    assert given["IOSchedulingClass"] == _IDLE
