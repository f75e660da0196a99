"""What differs between releases beside the keys."""

from __future__ import annotations

import pytest

from dockcfgd.engine_keys.engines import (
    api_range,
    automatic_storage_drivers,
    environment,
    log_drivers,
    log_options,
    removed_storage_drivers,
    required_log_options,
    snapshotters,
    storage_drivers,
    storage_options,
)
from dockcfgd.engine_keys.table import lookup, table
from dockcfgd.engine_keys.version import EngineVersion


@pytest.mark.parametrize(
    ("version", "newest", "oldest"),
    [
        ("19.03.0", "1.41", "1.12"),
        ("20.10.24", "1.41", "1.12"),
        ("26.1.5", "1.45", "1.24"),
        ("27.1.2", "1.46", "1.24"),
        ("27.5.1", "1.47", "1.24"),
        ("28.5.2", "1.51", "1.24"),
        ("29.0.1", "1.52", "1.44"),
        ("29.7.2", "1.55", "1.40"),
    ],
)
def test_knows_the_api_of_a_release(version: str, newest: str, oldest: str) -> None:
    spoken = api_range(EngineVersion.parse(version))
    assert (spoken.newest, spoken.oldest) == (newest, oldest)


def test_knows_the_storage_drivers_of_a_release() -> None:
    old, new = EngineVersion(20, 10, 24), EngineVersion(28, 5, 2)
    assert {"aufs", "overlay", "devicemapper", "overlay2", "zfs"} <= set(storage_drivers(old))
    assert set(removed_storage_drivers(new)) == {"aufs", "overlay", "devicemapper"}
    assert "zfs" in storage_drivers(new)
    assert "zfs" not in storage_drivers(new, build="28.5.2+dfsg4-5")
    assert automatic_storage_drivers(old)[0] == "btrfs"
    assert automatic_storage_drivers(new)[0] == "overlay2"
    assert storage_drivers(None) == storage_drivers(EngineVersion(29, 7, 2))


def test_knows_options_of_storage_drivers() -> None:
    assert "overlay2.override_kernel_check" in storage_options("overlay2", EngineVersion(23, 0))
    assert storage_options("overlay2", EngineVersion(24, 0)) == ("overlay2.size",)
    assert storage_options("fuse-overlayfs", None) == ()


def test_image_stores_share_only_names_that_both_have() -> None:
    assert not {"overlay2", "vfs", "aufs"} & set(snapshotters())
    assert "overlayfs" not in storage_drivers(None)


def test_knows_log_drivers_and_their_options() -> None:
    assert "logentries" in log_drivers(EngineVersion(24, 0))
    assert "logentries" not in log_drivers(EngineVersion(25, 0))
    assert {"max-size", "max-file", "mode"} <= log_options("json-file", None)
    assert "tag" not in log_options("local", EngineVersion(29, 4))
    assert "tag" in log_options("local", EngineVersion(29, 5))
    assert log_options("some/plugin", None) == frozenset()
    assert set(required_log_options("splunk")) <= log_options("splunk", None)
    assert required_log_options("json-file") == ()


def test_every_log_driver_but_none_has_options() -> None:
    for driver in log_drivers(None):
        assert bool(log_options(driver, None)) == (driver != "none"), driver


def test_variables_name_keys_that_exist() -> None:
    variables = environment(None)
    assert {"DOCKER_DRIVER", "HTTP_PROXY", "DOCKER_TMPDIR"} <= {each.name for each in variables}
    assert all(lookup(each.key) for each in variables if each.key)
    assert [each.name for each in variables if each.beats_file] == ["DOCKER_DRIVER"]
    early = {each.name for each in environment(EngineVersion(20, 10))}
    assert "DOCKER_MIN_API_VERSION" not in early


def test_variables_of_the_key_table_are_known() -> None:
    named = {each.name for each in environment(None)}
    assert {key.environment for key in table().keys.values() if key.environment} <= named
