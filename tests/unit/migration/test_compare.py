from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockcfgd.migration.compare import (
    _OF_THE_KERNEL,
    differences,
    differences_of_releases,
    losses,
)
from dockcfgd.migration.documents import Document
from tests.unit.migration.documents_of import container, identity, volume

HASH = "a1" * 32
DOCS = Path(__file__).parents[3] / "docs" / "storage-migration.md"


def before(**further: Any) -> Document:
    return container(
        "c",
        networks={"net": {"Aliases": ["a", identity("c")[:12]], "IPAddress": "10.0.0.2"}},
        host={"NetworkMode": "net", "Binds": ["named:/n"]},
        mounts=[volume(HASH, "/anonymous"), volume("named", "/n", mode="z")],
        **further,
    )


def after(**further: Any) -> Document:
    document = container(
        "d",
        config={"Hostname": identity("c")[:12]},
        networks={
            "net": {
                "Aliases": ["a", identity("d")[:12], identity("c")[:12]],
                "IPAddress": "10.0.0.9",
            }
        },
        host={"NetworkMode": "net", "Binds": ["named:/n", f"{HASH}:/anonymous:nocopy"]},
        mounts=[volume("named", "/n", mode="z"), volume(HASH, "/anonymous", mode="nocopy")],
    )
    return document | {"Name": "/c", "Driver": "vfs", "Created": "later"} | further


def test_what_may_differ() -> None:
    assert differences(before(Driver="overlay2"), after(), now={}) == []


def test_a_committed_layer_changes_the_image() -> None:
    document = after(Image="sha256:committed")
    document["Config"] = dict(document["Config"]) | {"Image": "sha256:committed"}  # type: ignore[arg-type]
    assert differences(before(), document, now={}) == []


def test_another_name_for_the_same_image_is_a_difference() -> None:
    document = after()
    document["Config"] = dict(document["Config"]) | {"Image": "app:2"}  # type: ignore[arg-type]
    assert differences(before(), document, now={}) == ["Config.Image: app:1 -> app:2"]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("Config", "Env", ["X=y"]),
        ("Config", "Entrypoint", ["/x"]),
        ("Config", "Hostname", "else"),
        ("HostConfig", "RestartPolicy", {"Name": "always"}),
        ("HostConfig", "Binds", ["named:/n", "/srv:/x"]),
        ("HostConfig", "AutoRemove", True),
        ("State", "Status", "exited"),
    ],
)
def test_what_may_not_differ(part: str, key: str, value: Any) -> None:
    document = after()
    document[part] = dict(document[part]) | {key: value}  # type: ignore[arg-type]
    found = differences(before(), document, now={})
    assert found[0].startswith("State" if part == "State" else f"{part}.{key}")


def test_mounts_and_networks_count() -> None:
    document = after(Mounts=[volume("other", "/anonymous"), volume("named", "/n", mode="z")])
    assert any("Mounts./anonymous.Name" in line for line in differences(before(), document, now={}))
    document = after(NetworkSettings={"Networks": {"net": {"Aliases": ["b"]}}})
    (found,) = differences(before(), document, now={})
    assert found == "Networks.net.Aliases: ['a'] -> ['b']"


def test_other_containers_are_known_by_their_present_ids() -> None:
    first = container(
        "c",
        host={"IpcMode": f"container:{identity('db')}", "VolumesFrom": [f"{identity('db')}:ro"]},
    )
    second = container("c", host={"IpcMode": "container:new", "VolumesFrom": ["new:ro"]})
    assert differences(first, second, now={identity("db"): "new"}) == []
    assert differences(first, second, now={}) != []


def test_ended_and_never_started_are_one() -> None:
    for status in ("exited", "created"):
        first, second = before(State={"Status": status}), after(State={"Status": "created"})
        assert differences(first, second, now={}) == []


def test_what_two_releases_show_in_their_own_way() -> None:
    """Bookworm's 20.10 and forky's 28.5 of the same container, as far as they do not agree."""
    first = container("c", networks={"bridge": {}}, host={"NetworkMode": "default", "Old": None})
    second = container(
        "d",
        config={"Hostname": identity("c")[:12]},
        networks={"bridge": {"DNSNames": ["c", "also"]}},
        host={"NetworkMode": "bridge", "New": False},
    ) | {"Name": "/c"}
    assert differences(first, second, now={}) != []
    assert differences_of_releases(first, second, now={}) == []
    second["NetworkSettings"] = {"Networks": {}}
    assert differences_of_releases(first, second, now={}) == ["Networks.bridge: {} -> None"]
    second["NetworkSettings"] = first["NetworkSettings"]
    second["HostConfig"] = dict(second["HostConfig"]) | {"New": True}  # type: ignore[arg-type]
    assert differences_of_releases(first, second, now={}) == ["HostConfig.New: None -> True"]


@pytest.mark.parametrize(("first", "second"), [(None, []), ([], None), (None, {}), ({}, None)])
def test_what_a_client_left_out_is_filled_in_by_the_engine(first: object, second: object) -> None:
    one, other = (
        container("c", host={"Dns": value, "Sysctls": value}) for value in (first, second)
    )
    assert differences(one, other, now={}) == []


@pytest.mark.parametrize("key", ["Entrypoint", "Cmd"])
def test_no_entry_point_is_not_the_images(key: str) -> None:
    values: tuple[object, ...] = (None, [])
    one, other = (container("c", config={key: value}) for value in values)
    assert differences(one, other, now={}) == [f"Config.{key}: None -> []"]


def test_nothing_is_not_something() -> None:
    one, other = (container("c", host={"Dns": value}) for value in (None, ["10.0.0.1"]))
    assert differences(one, other, now={}) == ["HostConfig.Dns: None -> ['10.0.0.1']"]


def test_a_restart_policy_without_a_name_is_none() -> None:
    unnamed = container("c", host={"RestartPolicy": {"Name": "", "MaximumRetryCount": 0}})
    named = container("c", host={"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}})
    other = container("c", host={"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}})
    assert differences(unnamed, named, now={}) == []
    assert differences_of_releases(unnamed, named, now={}) == []
    assert len(differences(unnamed, other, now={})) == 1


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("PidsLimit", 0, None),  # docker update --pids-limit=-1, and what a creation makes of it
        ("CgroupnsMode", "", "private"),  # from before 20.10
        ("MaskedPaths", None, ["/proc/acpi"]),
        ("OomKillDisable", True, False),  # from a host with cgroup v1
        ("MemorySwappiness", 60, None),
        ("KernelMemory", 1 << 28, 0),
        ("NetworkMode", "default", "bridge"),  # from before 26
    ],
)
def test_what_an_engine_makes_of_a_container_anew(key: str, old: Any, new: Any) -> None:
    documents = [after(), after()]
    for document, value in zip(documents, (old, new), strict=True):
        document["HostConfig"] = dict(document["HostConfig"]) | {key: value}  # type: ignore[arg-type]
    assert losses(*documents, now={}) == []


@pytest.mark.parametrize(
    "told",
    [
        *sorted(f"`{key}`" for key in _OF_THE_KERNEL),
        "`null`",
        "a restart policy without a name",
        "`default`, which is `bridge`",
        "the option `z`",
        "`nocopy`",
        "fills in",
        "`HostConfig.VolumesFrom`",
    ],
)
def test_the_documentation_names_what_may_differ(told: str) -> None:
    _, _, after_the_title = DOCS.read_text().partition("**Made anew**, these may differ")
    listed, _, _ = after_the_title.partition("\n## ")
    assert told in listed


@pytest.mark.parametrize(
    ("part", "key", "old", "new"),
    [
        ("HostConfig", "CapAdd", ["NET_ADMIN"], None),
        ("HostConfig", "MaskedPaths", [], ["/proc/acpi"]),
        ("HostConfig", "PidsLimit", 100, 200),
        ("HostConfig", "Privileged", False, True),
        ("HostConfig", "NetworkMode", "net", "bridge"),
        ("Config", "Entrypoint", None, ["/x"]),
        ("Config", "Cmd", [], None),
        ("Config", "Env", ["A=1"], []),
        ("Config", "User", "me", ""),
    ],
)
def test_what_it_must_not_lose(part: str, key: str, old: Any, new: Any) -> None:
    documents = [after(), after()]
    for document, value in zip(documents, (old, new), strict=True):
        document[part] = dict(document[part]) | {key: value}  # type: ignore[arg-type]
    (found,) = losses(*documents, now={})
    assert found == f"{part}.{key}: {old!r} -> {new!r}"


def test_a_network_too_many_counts_and_names_put_together_do_not() -> None:
    """DNSNames are there from a container's first start on, and gone where it was not started."""
    stopped = after(NetworkSettings={"Networks": {"net": {"DNSNames": ["job"]}}})
    anew = after(NetworkSettings={"Networks": {"net": {}}})
    assert losses(stopped, anew, now={}) == []
    assert differences(stopped, anew, now={}) == []
    more = after(NetworkSettings={"Networks": {"net": {}, "bridge": {}}})
    assert len(losses(anew, more, now={})) == 1
