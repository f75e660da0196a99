from __future__ import annotations

from typing import Any

import pytest

from dockcfgd.planning.probes import (
    check_seconds,
    endpoints_of,
    healthy,
    not_known_yet,
    note,
    published_ports,
    silent,
    unhealthy,
    wanted,
)

_ALL = "0.0.0.0"  # noqa: S104 -- as the engine lists it


def _listed(name: str, *ports: dict[str, Any], status: str = "Up 3 hours") -> dict[str, Any]:
    return {"Names": [f"/{name}"], "State": "running", "Status": status, "Ports": list(ports)}


def _port(
    inside: int, outside: int | None, address: str = _ALL, kind: str = "tcp"
) -> dict[str, Any]:
    binding: dict[str, Any] = {"PrivatePort": inside, "Type": kind}
    return binding if outside is None else {**binding, "IP": address, "PublicPort": outside}


class TestPorts:
    def test_both_families_of_all_addresses_are_one_place(self) -> None:
        (one,) = published_ports([_listed("web", _port(80, 8080), _port(80, 8080, "::"))])
        assert (one.container, one.port, one.place) == ("web", 80, "8080")
        assert one.endpoints == (("127.0.0.1", 8080), ("::1", 8080))

    def test_each_address_of_its_own_is_one(self) -> None:
        ports = [_port(80, 8080, "192.0.2.1"), _port(80, 8080, "2001:db8::1")]
        places = [one.place for one in published_ports([_listed("web", *ports)])]
        assert places == ["192.0.2.1:8080", "[2001:db8::1]:8080"]

    def test_what_is_not_published_or_no_tcp_is_not_tried(self) -> None:
        ports = [_port(80, None), _port(53, 53, kind="udp"), _port(9, 9, kind="sctp")]
        assert published_ports([_listed("web", *ports)]) == ()

    def test_what_stands_is_not_tried(self) -> None:
        stopped = {**_listed("web", _port(80, 8080)), "State": "paused"}
        assert published_ports([stopped]) == ()

    def test_one_that_moved_has_to_answer_where_it_is(self) -> None:
        before = published_ports([_listed("web", _port(80, 49153))])
        noted = note(healthy={}, ports=before, commands=())
        listed = [_listed("web", _port(80, 49777))]
        now = wanted(noted, published_ports(listed))
        assert endpoints_of(now) == (("127.0.0.1", 49777),)
        assert silent(noted, listed, now, {("127.0.0.1", 49777)}) == []
        assert silent(noted, listed, now, {("127.0.0.1", 49153)}) == [
            "port 49153 of web answered before and does not"
        ]

    def test_one_of_two_places_does_not_stand_for_the_other(self) -> None:
        listed = [_listed("web", _port(80, 8080), _port(80, 9090))]
        ports = published_ports(listed)
        noted = note(healthy={}, ports=ports, commands=())
        assert silent(noted, listed, ports, {("127.0.0.1", 9090)}) == [
            "port 8080 of web answered before and does not"
        ]

    def test_one_that_is_not_published_any_more(self) -> None:
        noted = note(
            healthy={}, ports=published_ports([_listed("web", _port(80, 8080))]), commands=()
        )
        assert silent(noted, [_listed("web")], (), ()) == [
            "port 8080 of web answered before and does not, which is not published any more"
        ]

    def test_one_of_a_container_that_ended_is_not_asked_for(self) -> None:
        noted = note(
            healthy={}, ports=published_ports([_listed("job", _port(80, 8080))]), commands=()
        )
        assert silent(noted, [{**_listed("job"), "State": "exited"}], (), ()) == []

    def test_one_that_was_silent_is_not_tried_again(self) -> None:
        ports = published_ports([_listed("web", _port(80, 8080), _port(81, 8081))])
        noted = note(healthy={}, ports=ports[:1], commands=())
        assert wanted(noted, ports) == ports[:1]


class TestHealth:
    @pytest.mark.parametrize(
        ("status", "wrong"),
        [
            ("Up 2 minutes (healthy)", []),
            ("Up 2 seconds (health: starting)", ["web was healthy before and is starting"]),
            ("Up 2 minutes (unhealthy)", ["web was healthy before and is unhealthy"]),
            ("Up 2 minutes", ["web was healthy before and is not checked any more"]),
        ],
    )
    def test_as_the_engine_lists_it(self, status: str, wrong: list[str]) -> None:
        noted = note(healthy={"web": 60.0}, ports=(), commands=())
        listed = [_listed("web", status=status), _listed("other", status="Up 1 hour (unhealthy)")]
        assert unhealthy(noted, listed, timeout=90) == wrong

    def test_one_that_is_checked_too_seldom_may_be_starting(self) -> None:
        noted = note(healthy={"web": 330.0}, ports=(), commands=())
        listed = [_listed("web", status="Up 2 minutes (health: starting)")]
        assert unhealthy(noted, listed, timeout=90) == []
        assert not_known_yet(noted, listed, timeout=90) == ["web"]
        bad = [_listed("web", status="Up 2 minutes (unhealthy)")]
        assert unhealthy(noted, bad, timeout=90) != []

    def test_only_what_is_healthy_is_noted(self) -> None:
        listed = [
            _listed("a", status="Up 1 hour (healthy)"),
            _listed("b", status="Up 1 hour (unhealthy)"),
            _listed("c", status="Up 1 second (health: starting)"),
            _listed("d"),
        ]
        assert healthy(listed) == ("a",)

    @pytest.mark.parametrize(
        ("check", "seconds"),
        [
            ({"Test": ["CMD", "true"]}, 30.0),
            ({"Interval": 2_500_000_000, "Timeout": 500_000_000}, 2.5),
            ({"Interval": 0, "Timeout": 0}, 30.0),
            (None, 30.0),
        ],
    )
    def test_the_checks_own_time(self, check: dict[str, Any] | None, seconds: float) -> None:
        assert check_seconds({"Config": {"Healthcheck": check}}) == seconds
