"""A snapshotter is never taken for a storage driver, whatever the engine calls both."""

from __future__ import annotations

from dockcfgd.engine_keys.engines import removed_storage_drivers, snapshotters, storage_drivers
from dockcfgd.layers import place
from dockcfgd.model.desired import Json
from dockcfgd.model.drivers import SNAPSHOTTERS, engine_name, of_containerd
from dockcfgd.model.host import driver_of

DRIVERS = {*storage_drivers(None), *removed_storage_drivers(None), *place.DRIVERS}


def test_no_storage_driver_goes_as_a_snapshotter() -> None:
    every = {of_containerd(name) for name in snapshotters()}
    assert every >= SNAPSHOTTERS
    assert every.isdisjoint(DRIVERS)


def test_the_engine_has_names_of_its_own() -> None:
    assert [engine_name(of_containerd(name)) for name in snapshotters()] == list(snapshotters())
    assert {engine_name(driver) for driver in DRIVERS} == DRIVERS


def test_what_earlier_releases_wrote_down_is_understood() -> None:
    assert [of_containerd(name) for name in ("overlayfs", "native")] == ["overlayfs", "native"]


def test_info_tells_them_apart() -> None:
    store: Json = [["driver-type", "io.containerd.snapshotter.v1"]]
    assert driver_of({"Driver": "btrfs"}) == "btrfs"
    assert driver_of({"Driver": "btrfs", "DriverStatus": store}) == "containerd-btrfs"
    assert driver_of({"Driver": "overlayfs", "DriverStatus": store}) == "overlayfs"
    assert driver_of({}) == ""
