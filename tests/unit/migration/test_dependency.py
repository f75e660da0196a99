from __future__ import annotations

import itertools

import pytest

from dockcfgd.migration.dependency import create_waves, in_order, start_waves
from dockcfgd.migration.documents import Document
from dockcfgd.migration.inventory import container_name
from tests.unit.migration.documents_of import container, identity, volume


def ordered(*documents: Document) -> list[str]:
    return [container_name(document) for document in in_order(documents)]


@pytest.mark.parametrize(
    "host",
    [
        {"NetworkMode": f"container:{identity('db')}"},
        {"IpcMode": "container:db"},
        {"PidMode": f"container:{identity('db')[:12]}"},
        {"VolumesFrom": ["db:ro"]},
        {"Links": ["/db:/web/alias"]},
    ],
)
def test_what_is_needed_comes_first(host: dict[str, object]) -> None:
    assert ordered(container("web", host=host), container("db")) == ["db", "web"]


def test_links_of_an_endpoint_count() -> None:
    web = container("web", networks={"net": {"Links": ["db:alias"]}})
    assert ordered(web, container("db")) == ["db", "web"]


def test_compose_services_of_the_same_project() -> None:
    def service(name: str, project: str, needs: str = "") -> Document:
        key = "com.docker.compose."
        labels = {f"{key}project": project, f"{key}service": name, f"{key}depends_on": needs}
        return container(f"{project}-{name}", config={"Labels": labels})

    documents = [
        service("web", "a", "db:service_started:false,cache:service_healthy:true"),
        service("db", "b"),
        service("db", "a"),
        service("cache", "a"),
    ]
    assert ordered(*documents) == ["a-db", "a-cache", "a-web", "b-db"]


def test_independent_ones_keep_their_order() -> None:
    assert ordered(container("b"), container("a"), container("c")) == ["b", "a", "c"]


def test_a_circle_ends() -> None:
    one = container("one", networks={"net": {"Links": ["two:x"]}})
    two = container("two", networks={"net": {"Links": ["one:x"]}})
    assert sorted(ordered(one, two)) == ["one", "two"]


def test_a_long_chain() -> None:
    names = [f"c{number}" for number in range(2000)]
    chain = [
        container(name, host={"VolumesFrom": [follower]})
        for name, follower in itertools.pairwise(names)
    ]
    assert ordered(*chain, container(names[-1])) == names[::-1]


def test_what_is_not_there_needs_nothing() -> None:
    assert ordered(container("web", host={"VolumesFrom": ["gone"]})) == ["web"]


def test_they_start_in_waves_each_after_what_it_needs() -> None:
    web = container("web", host={"Links": ["/db:/web/alias"]})
    waves = start_waves([web, container("db"), container("alone")])
    assert [sorted(map(container_name, wave)) for wave in waves] == [["db"], ["alone", "web"]]


@pytest.mark.parametrize("address", [{"IPv4Address": "10.0.0.2"}, {"IPv6Address": "fd00::2"}])
def test_an_address_of_its_own_is_taken_before_others_get_any(address: dict[str, str]) -> None:
    fixed = container("fixed", networks={"net": {"IPAMConfig": address}})
    free = container("free", networks={"net": {"IPAMConfig": None}})
    waves = start_waves([free, fixed])
    assert [list(map(container_name, wave)) for wave in waves] == [["fixed"], ["free"]]


def made(*documents: Document) -> list[list[str]]:
    return [[container_name(one) for one in wave] for wave in create_waves(documents)]


def test_what_depends_on_nothing_is_created_together() -> None:
    web = container("web", host={"NetworkMode": f"container:{identity('db')}"})
    top = container("top", host={"VolumesFrom": ["web"]})
    assert made(top, web, container("db"), container("lone")) == [["db", "lone"], ["web"], ["top"]]
    assert made() == []


def test_those_that_share_a_volume_or_a_name_are_created_one_after_the_other() -> None:
    """The engine copies the image's files into a volume that is empty."""
    first, second = (container(name, mounts=[volume("v", "/v")]) for name in ("one", "two"))
    again = container("one") | {"Id": identity("again")}
    assert made(first, second, again, container("lone")) == [["one", "lone"], ["two", "one"]]
    bind = {"Type": "bind", "Source": "/srv", "Name": ""}
    assert len(made(*(container(name, mounts=[bind]) for name in ("one", "two")))) == 1


def test_a_circle_is_created_in_the_order_that_it_has() -> None:
    one = container("one", networks={"net": {"Links": ["two:x"]}})
    two = container("two", networks={"net": {"Links": ["one:x"]}})
    assert [name for wave in made(one, two) for name in wave] == ordered(one, two)
