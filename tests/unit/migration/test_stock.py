"""What an engine has is the same from another data-root, or is said not to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockcfgd.migration import stock
from dockcfgd.migration.access import Access
from dockcfgd.model.desired import Json
from tests.fakes.host import FakeHost


class Moved:
    """A host whose stock was taken in one place, and is looked at again from there."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder / "docker")
        self.kept = str(folder / "kept")
        self.host = FakeHost(data_root=self.root)
        self.access: Access = self.host.effects.access
        self.host.run("web", host_config={"Binds": [f"{self.root}/volumes:/all", "v:/v"]})
        self.host.run("job", host_config={"AutoRemove": True})
        self.host.networks.create_volume({"Name": "v", "Labels": {"a": "b"}})
        config: dict[str, Json] = {"Config": [{"Subnet": "10.7.0.0/24"}]}
        self.net = self.host.networks.create({"Name": "net", "IPAM": config})
        stock.take(self.access, folder=self.kept)

    def differs(self, target: str = "") -> list[str]:
        root = self.root
        return stock.what_differs(self.access, folder=self.kept, source=root, target=target or root)


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    return Moved(tmp_path)


def test_the_same_is_the_same(moved: Moved) -> None:
    assert moved.differs() == []


def test_what_came_or_ended_since_is_no_difference(moved: Moved) -> None:
    moved.host.run("later")
    moved.host.containers.remove("job")
    moved.host.containers.stop("web")
    assert moved.differs() == []


def test_what_was_removed_since_is_no_difference(moved: Moved) -> None:
    moved.host.containers.remove("web")
    assert moved.differs() == []


def test_what_is_hidden_is_missing(moved: Moved) -> None:
    identity = moved.host.container("web").id
    moved.host.containers.remove("web")
    Path(moved.root, "containers", identity).mkdir()
    Path(moved.root, "volumes", "v").mkdir(parents=True, exist_ok=True)
    del moved.host.dockerd.roots[moved.root].volumes["v"]
    del moved.host.dockerd.roots[moved.root].networks[moved.net]
    assert moved.differs() == [
        "container web: it is not there",
        "volume v: it is not there",
        "network net: it is not there",
    ]


def test_what_is_hidden_in_the_folder_of_remapped_users_is_missing(moved: Moved) -> None:
    identity = moved.host.container("web").id
    moved.host.containers.remove("web")
    Path(moved.root, "100000.100000/containers", identity).mkdir(parents=True)
    assert moved.differs() == ["container web: it is not there"]
    # Where users change it belongs to others.
    assert moved.differs(f"{moved.root}/200000.200000") == []


def test_an_image_without_its_name(moved: Moved) -> None:
    moved.host.dockerd.images.find("busybox:latest").tags = ["busybox:other"]
    [line] = moved.differs()
    assert line == "image busybox:latest: it is not called busybox:latest"


def test_an_image_that_only_a_passing_container_had(tmp_path: Path) -> None:
    host = FakeHost(data_root=str(tmp_path / "docker"))
    access, kept = host.effects.access, str(tmp_path / "kept")
    host.image("early:1", {"/a": b"1"})
    host.run("job", image="early:1", host_config={"AutoRemove": True})
    image = host.dockerd.images.find("early:1")
    image.tags = []
    stock.take(access, folder=kept)
    host.containers.remove("job")
    del host.dockerd.images.images[image.id]
    assert stock.what_differs(access, folder=kept, source="/a", target="/b") == []


def test_a_network_with_other_addresses(moved: Moved) -> None:
    network = moved.host.dockerd.roots[moved.root].networks[moved.net]
    network.body["IPAM"] = {"Config": [{"Subnet": "10.7.0.0/24", "Gateway": "10.7.0.1"}]}
    assert moved.differs() == []
    network.body["IPAM"] = {"Config": [{"Subnet": "10.8.0.0/24"}]}
    assert moved.differs() == ["network net: it has other addresses"]


def test_paths_of_the_data_root_are_expected_to_follow(moved: Moved) -> None:
    assert any("HostConfig.Binds" in line for line in moved.differs("/srv/docker"))
