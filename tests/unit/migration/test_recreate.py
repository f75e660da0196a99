from __future__ import annotations

from typing import Any

import pytest

from dockcfgd.migration.documents import Document, at, table
from dockcfgd.migration.others import Others
from dockcfgd.migration.recreate import Recreation, Setting, recreation
from tests.unit.migration.documents_of import container, identity, volume

OLD, NEW = "1.41", "1.45"


def made(
    document: Document,
    *others: Document,
    api: str = NEW,
    now: dict[str, str] | None = None,
    **setting: Any,
) -> Recreation:
    present = {identity(name): f"new-{name}" for name in ("db", "web")} if now is None else now
    known = Others([document, *others], present)
    return recreation(document, known, Setting(image="sha256:new", api=api, shown=api, **setting))


def host_of(result: Recreation) -> Document:
    return table(result.body, "HostConfig")


def first_endpoint(result: Recreation) -> Any:
    return at(result.body, "NetworkingConfig", "EndpointsConfig")


def test_configuration_goes_as_it_came_with_the_image_of_now() -> None:
    document = container("c", config={"Env": ["A=b"], "User": "1", "Labels": {"l": "v"}})
    result = made(document)
    assert result.name == "c"
    assert result.body["Image"] == "sha256:new"
    assert {key: result.body[key] for key in ("Env", "User", "Labels", "Cmd")} == {
        "Env": ["A=b"],
        "User": "1",
        "Labels": {"l": "v"},
        "Cmd": ["run"],
    }


@pytest.mark.parametrize(("shown", "sent"), [(None, [""]), ([], []), (["/x"], ["/x"])])
def test_entrypoint_null_is_not_the_images(shown: Any, sent: Any) -> None:
    assert made(container("c", config={"Entrypoint": shown})).body["Entrypoint"] == sent


def test_hostname_stays_what_it_was() -> None:
    assert made(container("c")).body["Hostname"] == identity("c")[:12]


@pytest.mark.parametrize("host", [{"NetworkMode": "container:db"}, {"UTSMode": "host"}])
def test_hostname_of_another_namespace_is_left_out(host: dict[str, Any]) -> None:
    result = made(container("c", host=host), container("db"))
    assert "Hostname" not in result.body
    assert "Domainname" not in result.body


@pytest.mark.parametrize("key", ["NetworkMode", "IpcMode", "PidMode"])
def test_namespaces_of_others_are_those_of_the_new_containers(key: str) -> None:
    document = container("c", host={key: f"container:{identity('db')}"}, networks={})
    assert host_of(made(document, container("db")))[key] == "container:new-db"


def test_a_shared_network_takes_neither_endpoints_nor_exposed_ports() -> None:
    document = container(
        "c", config={"ExposedPorts": {"80/tcp": {}}}, host={"NetworkMode": "container:db"}
    )
    result = made(document, container("db"))
    assert "ExposedPorts" not in result.body
    assert first_endpoint(result) is None
    assert result.connects == ()


def test_links_keep_names_and_map_ids() -> None:
    links = ["/db:/c/alias", f"{identity('web')[:12]}:other"]
    document = container("c", host={"Links": links})
    assert host_of(made(document, container("db"), container("web")))["Links"] == [
        "/db:/c/alias",
        "new-web:other",
    ]


def test_first_network_at_creation_the_others_connected() -> None:
    networks = {
        "one": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}, "IPAddress": "10.0.0.2"},
        "two": {"Aliases": ["a"], "IPAddress": "10.1.0.2", "DriverOpts": {"k": "v"}},
    }
    result = made(container("c", host={"NetworkMode": "one"}, networks=networks))
    assert first_endpoint(result) == {"one": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}
    (further,) = result.connects
    assert further.network == "two"
    assert further.body("id") == {
        "Container": "id",
        "EndpointConfig": {"Aliases": ["a"], "DriverOpts": {"k": "v"}},
    }


def test_a_network_named_by_its_id_stays_so() -> None:
    networks = {"one": {"NetworkID": "abcdef", "Aliases": ["a"]}}
    result = made(container("c", host={"NetworkMode": "abcdef"}, networks=networks))
    assert first_endpoint(result) == {"abcdef": {"Aliases": ["a"]}}
    assert host_of(result)["NetworkMode"] == "abcdef"


def test_a_network_made_anew_is_named_by_its_name() -> None:
    document = container("c", host={"NetworkMode": "abcdef"}, networks={"one": {}})
    result = made(document, networks={"abcdef123": "one"})
    assert host_of(result)["NetworkMode"] == "one"
    assert first_endpoint(result) == {"one": {}}


def test_the_default_bridge_takes_no_empty_endpoint() -> None:
    assert first_endpoint(made(container("c", host={"NetworkMode": "default"}))) is None


def test_aliases_without_those_that_the_engine_adds() -> None:
    short = identity("c")[:12]
    networks = {"one": {"Aliases": ["a", short, "host"]}}
    document = container(
        "c", config={"Hostname": "host"}, host={"NetworkMode": "one"}, networks=networks
    )
    assert first_endpoint(made(document, api=OLD)) == {"one": {"Aliases": ["a"]}}
    # An engine that shows only what was asked for is believed.
    assert first_endpoint(made(document, api=NEW)) == {"one": {"Aliases": ["a", "host"]}}


def test_only_asked_mac_addresses_are_set() -> None:
    networks = {
        "one": {"MacAddress": "02:42:01:01:01:01"},
        "two": {"MacAddress": "02:00:00:00:00:02"},
    }
    document = container("c", host={"NetworkMode": "one"}, networks=networks)
    assert first_endpoint(made(document)) == {"one": {}}
    result = made(document, macs={"two": "02:00:00:00:00:02"})
    assert first_endpoint(result) == {"one": {}}
    assert result.connects[0].endpoint == {"MacAddress": "02:00:00:00:00:02"}


@pytest.mark.parametrize("mode", ["one", "bridge", "default"])
def test_mac_address_goes_where_the_api_wants_it(mode: str) -> None:
    name = "one" if mode == "one" else "bridge"
    document = container(
        "c", config={"MacAddress": "02:00:00:00:00:01"}, host={"NetworkMode": mode},
        networks={name: {}},
    )  # fmt: skip
    result = made(document)
    assert "MacAddress" not in result.body
    assert first_endpoint(result) == {mode: {"MacAddress": "02:00:00:00:00:01"}}
    older = made(document, api=OLD)
    assert older.body["MacAddress"] == "02:00:00:00:00:01"
    assert first_endpoint(older) in (None, {mode: {}})


def test_unnamed_volumes_are_attached_by_name() -> None:
    document = container(
        "c",
        config={"Volumes": {"/anonymous": {}}},
        host={"Binds": ["named:/named", "/srv:/bound:ro"]},
        mounts=[volume("h" * 64, "/anonymous"), volume("named", "/named", mode="z")],
    )
    assert host_of(made(document))["Binds"] == [
        "named:/named",
        "/srv:/bound:ro",
        f"{'h' * 64}:/anonymous:nocopy",
    ]


def test_an_unnamed_volume_that_mounts_asks_for_is_named_there() -> None:
    asked = {"Type": "volume", "Target": "/m", "VolumeOptions": {"Labels": {"a": "b"}}}
    document = container("c", host={"Mounts": [asked]}, mounts=[volume("v1", "/m")])
    host = host_of(made(document))
    assert host["Mounts"] == [
        {
            "Type": "volume",
            "Target": "/m",
            "Source": "v1",
            "VolumeOptions": {"Labels": {"a": "b"}, "NoCopy": True},
        }
    ]
    assert host["Binds"] is None


def test_a_volume_that_was_emptied_is_not_filled_again() -> None:
    asked: dict[str, Any] = {"Type": "volume", "Source": "named", "Target": "/m"}
    document = container(
        "c",
        host={"Binds": ["named:/a", "named:/b:ro", "full:/c", "/named:/d"], "Mounts": [asked]},
        mounts=[volume("named", place, mode="z") for place in ("/a", "/b", "/m")]
        + [volume("full", "/c")],
    )
    host = host_of(made(document, empty_volumes=frozenset({"named"})))
    assert host["Binds"] == ["named:/a:z,nocopy", "named:/b:ro,nocopy", "full:/c", "/named:/d"]
    assert host["Mounts"] == [asked | {"VolumeOptions": {"NoCopy": True}}]


def test_mounts_taken_from_another_stay_so() -> None:
    mounts = [volume("v1", "/v", writable=False)]
    document = container("c", host={"VolumesFrom": [f"{identity('db')}:ro"]}, mounts=mounts)
    host = host_of(made(document, container("db", mounts=[volume("v1", "/v")])))
    assert host["VolumesFrom"] == ["new-db:ro"]
    assert host["Binds"] is None


def test_mounts_taken_from_one_that_is_gone_are_given_one_by_one() -> None:
    bind = {"Type": "bind", "Source": "/srv", "Destination": "/b", "Mode": "", "RW": True}
    mounts = [volume("v1", "/v", writable=False), bind]
    document = container("c", host={"VolumesFrom": ["gone"]}, mounts=mounts)
    host = host_of(made(document))
    assert host["VolumesFrom"] == []
    assert host["Binds"] == ["v1:/v:nocopy,ro", "/srv:/b"]


def test_settings_without_a_rule_go_back_untouched() -> None:
    host = {
        "AutoRemove": True, "RestartPolicy": {"Name": "no"}, "Ulimits": [{"Name": "nofile"}],
        "Sysctls": {"a": "1"}, "DeviceRequests": [{"Count": -1}], "MaskedPaths": [],
        "ReadonlyPaths": None, "LogConfig": {"Type": "local"}, "Tmpfs": {"/t": ""},
    }  # fmt: skip
    assert host.items() <= host_of(made(container("c", host=host))).items()
