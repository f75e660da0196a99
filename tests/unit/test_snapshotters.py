"""What decides may not import what acts, and both name the snapshotters that can be moved."""

from __future__ import annotations

from dockcfgd.engine_keys.engines import snapshotters, storage_drivers
from dockcfgd.layers import place
from dockcfgd.planning import storage_change


def test_both_name_the_same() -> None:
    assert place.SNAPSHOTTERS == storage_change.SNAPSHOTTERS


def test_no_storage_driver_has_the_name_of_one() -> None:
    assert set(snapshotters()) >= place.SNAPSHOTTERS
    assert place.SNAPSHOTTERS.isdisjoint({*storage_drivers(None), *place.DRIVERS})
