"""Which containers have another name, other settings or other networks than were kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.migration.changed_settings import settings_changed
from dockcfgd.migration.folders import put_in_place, set_aside
from dockcfgd.model.kept import KeptStorage

ID = "c0ffee123456" + "0" * 52


class Moved:
    """A data-root whose only container went from overlay2 to vfs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "dockcfgd" / "T1"
        self.kept = KeptStorage("overlay2", "vfs", str(root), str(self.folder), "T1")
        self._here = root / "containers" / ID
        self._here.mkdir(parents=True)
        self.config: dict[str, Any] = {
            "ID": ID,
            "Name": "/web",
            "Driver": "overlay2",
            "State": {"Running": False},
            "HasBeenManuallyStopped": False,
            "Config": {"Hostname": ID[:12], "Env": ["A=b"]},
            "NetworkSettings": {"Networks": {"net": self.endpoint()}},
        }
        self.host: dict[str, Any] = {
            "NetworkMode": "net",
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Memory": 0,
            "OomKillDisable": None,
        }
        self.write()
        staging = self.folder.with_name("T1.staging")
        staging.mkdir(parents=True)
        (staging / "carried.json").write_text(json.dumps({"containers": [ID]}))
        set_aside(str(root), "vfs", str(self.folder))
        put_in_place(str(root), "vfs", str(self.folder), str(staging))
        self.config["Driver"] = "vfs"

    @staticmethod
    def endpoint(**further: Any) -> dict[str, Any]:
        return {"IPAMConfig": None, "Links": None, "Aliases": ["app"], "DriverOpts": None} | further

    def write(self) -> None:
        """Write the files as the engine does: new ones in the place of the old."""
        for name, content in (("config.v2.json", self.config), ("hostconfig.json", self.host)):
            part = self._here / f"{name}.part"
            part.write_text(json.dumps(content))
            part.replace(self._here / name)

    def call_its_network(self, name: str) -> None:
        self.host["NetworkMode"] = name
        self.config["NetworkSettings"]["Networks"] = {name: self.endpoint(Aliases=None)}

    @property
    def networks(self) -> dict[str, Any]:
        networks: dict[str, Any] = self.config["NetworkSettings"]["Networks"]
        return networks

    @property
    def changed(self) -> bool | None:
        self.write()
        return settings_changed(self.kept, ID)


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    return Moved(tmp_path)


def test_right_after_the_move_nothing_is(moved: Moved) -> None:
    assert moved.changed is False


def test_what_the_engine_changes_by_itself_is_nothing(moved: Moved) -> None:
    moved.config |= {
        "State": {"Running": True, "Pid": 7, "ExitCode": 0},
        "HasBeenManuallyStopped": True,
        "HasBeenStartedBefore": True,
        "RestartCount": 3,
        "Image": "sha256:of-the-other-store",
        "LogPath": "/elsewhere",
    }
    moved.networks["net"] |= {
        "Aliases": ["app", ID[:12]],
        "NetworkID": "n1",
        "EndpointID": "e1",
        "IPAddress": "172.18.0.2",
        "MacAddress": "02:42:ac:12:00:02",
        "IPAMConfig": {},
        "IPAMOperational": False,
    }
    assert moved.changed is False


def test_another_release_says_the_same_in_other_words(moved: Moved) -> None:
    moved.host |= {
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "OomKillDisable": False,
        "Annotations": None,
    }
    assert moved.changed is False


def test_another_name(moved: Moved) -> None:
    moved.config["Name"] = "/shop"
    assert moved.changed is True


@pytest.mark.parametrize(
    "updated",
    [{"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}, {"Memory": 1 << 28}],
)
def test_other_settings(moved: Moved, updated: dict[str, Any]) -> None:
    moved.host |= updated
    assert moved.changed is True


@pytest.mark.parametrize(
    "networks",
    [
        {},
        {"net": Moved.endpoint(), "more": Moved.endpoint()},
        {"other": Moved.endpoint()},
        {"net": Moved.endpoint(Aliases=["app", "db"])},
        {"net": Moved.endpoint(IPAMConfig={"IPv4Address": "172.18.0.9"})},
    ],
)
def test_other_networks(moved: Moved, networks: dict[str, Any]) -> None:
    moved.config["NetworkSettings"]["Networks"] = networks
    assert moved.changed is True


def test_the_default_network_is_called_bridge_from_a_first_start_on(moved: Moved) -> None:
    files = moved.folder / "configs"
    moved.call_its_network("default")
    (files / f"{ID}.json").write_text(json.dumps(moved.config))
    (files / f"{ID}.host").write_text(json.dumps(moved.host))
    moved.call_its_network("bridge")
    assert moved.changed is False


def test_without_the_settings_of_then_names_and_networks_tell(moved: Moved) -> None:
    """An older release kept only one of the two files."""
    (moved.folder / "configs" / f"{ID}.host").unlink()
    moved.host["Memory"] = 1 << 28
    assert moved.changed is False
    moved.config["Name"] = "/shop"
    assert moved.changed is True


def test_what_cannot_be_read_is_not_told(moved: Moved) -> None:
    (moved.root / "containers" / ID / "config.v2.json").write_text("{")
    assert settings_changed(moved.kept, ID) is None
    (moved.root / "containers" / ID / "config.v2.json").unlink()
    assert settings_changed(moved.kept, ID) is None
