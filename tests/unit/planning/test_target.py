from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dockcfgd.model.desired import DesiredState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.planning import leaves
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import (
    Applied,
    Target,
    UnreadableFile,
    daemon_json,
    empty_target,
    generation_target,
    target_of,
)
from tests.golden.described_host import applied_of, host_of
from tests.unit.desired.reading import wanted

_DRIVER_APPLIED = {"managed": [["storage-driver"]]}


def _desired(engine: str, *more: str) -> DesiredState:
    return wanted("\n".join([f"engine = {{ {engine} }}", *more]))


def _target(desired: DesiredState, **described: Any) -> Target:
    host = {"daemon.json": described.pop("now", None), **described}
    return target_of(desired, host_of(host), applied_of(host))


class TestForeignText:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{"a": ' * 300 + "1" + "}" * 300, "nested too deeply: 100 levels"),
            ("[" * 100_000 + "]" * 100_000, "nested too deeply: 100 levels"),
            ('{"labels": ["a=\\ud800"]}', "half a character, '\\ud800'"),
        ],
        ids=["deep", "deeper-than-the-stack", "half-a-character"],
    )
    def test_what_could_not_be_written_again_is_named(self, text: str, why: str) -> None:
        with pytest.raises(UnreadableFile, match=re.escape(why)):
            daemon_json(host_of({"daemon.json": text}))


class TestThreeWays:
    def test_ours_come_foreign_stay(self) -> None:
        now = {"icc": False, "debug": False, "log-opts": {"max-size": "1m"}}
        target = _target(_desired('debug = true, log-opts = { max-file = "3" }'), now=now)
        assert target.document == {
            "icc": False,
            "debug": True,
            "log-opts": {"max-size": "1m", "max-file": "3"},
        }
        assert target.managed == {("debug",), ("log-opts", "max-file")}

    def test_what_was_ours_and_is_not_wanted_goes(self) -> None:
        now = {"debug": True, "mtu": 1400, "log-opts": {"max-size": "1m", "max-file": "3"}}
        applied = {"managed": [["mtu"], ["debug"], ["log-opts", "max-file"]]}
        target = _target(_desired("debug = true"), now=now, applied=applied)
        assert target.document == {"debug": True, "log-opts": {"max-size": "1m"}}
        assert target.managed == {("debug",)}
        assert target.touched == {("debug",), ("mtu",), ("log-opts", "max-file")}

    def test_an_edit_of_ours_is_undone(self) -> None:
        applied = {"managed": [["debug"]], "document": {"debug": True}}
        target = _target(_desired("debug = true"), now={"debug": False}, applied=applied)
        assert target.document == {"debug": True}

    def test_the_files_order_stays(self) -> None:
        now = {"mtu": 1400, "debug": False, "icc": True}
        document = _target(_desired('debug = true, dns = ["1.1.1.1"]'), now=now).document
        assert document is not None
        assert list(document) == ["mtu", "debug", "icc", "dns"]

    def test_a_list_is_replaced_whole(self) -> None:
        now = {"dns": ["8.8.8.8", "9.9.9.9"]}
        assert _target(_desired('dns = ["1.1.1.1"]'), now=now).document == {"dns": ["1.1.1.1"]}

    def test_foreign_keys_go_where_policy_says_so(self) -> None:
        more = '[policy]\nunmanaged-keys = "remove"'
        now = {"debug": True, "mtu": 1400, "storage-driver": "vfs"}
        target = _target(_desired("debug = true", more), now=now, info={"Driver": "vfs"})
        assert target.document == {"debug": True, "storage-driver": "vfs"}
        assert len(target.notes) == 1

    @pytest.mark.parametrize("managed", [[], [["log-opts"]], [["log-opts", "max-file"]]])
    def test_a_table_with_nothing_in_it_owns_nothing(self, managed: list[list[str]]) -> None:
        now = {"log-opts": {"max-size": "1m"}, "features": {"buildkit": False}}
        applied = {"managed": managed, "document": {"log-opts": {}}}
        target = _target(_desired("log-opts = {}, features = {}"), now=now, applied=applied)
        assert target.document == now
        assert target.managed == frozenset()

    def test_a_table_with_nothing_in_it_takes_nothing_along_when_it_goes(self) -> None:
        described: dict[str, Any] = {
            "daemon.json": {"log-opts": {"max-size": "1m"}},
            "applied": {"managed": [["log-opts"]], "document": {"log-opts": {}}},
        }
        host, applied = host_of(described), applied_of(described)
        target = target_of(_desired('log-opts = { max-file = "3" }'), host, applied)
        assert target.document == {"log-opts": {"max-size": "1m", "max-file": "3"}}
        assert empty_target(host, applied).document == described["daemon.json"]
        assert generation_target(Applied(), host, applied).document == described["daemon.json"]
        assert generation_target(applied, host, Applied()).document == described["daemon.json"]

    def test_a_table_with_nothing_in_it_is_ours_where_nothing_stands(self) -> None:
        applied = {"managed": [["log-opts", "max-file"]]}
        now = {"log-opts": {"max-file": "3"}}
        target = _target(_desired("log-opts = {}"), now=now, applied=applied)
        assert target.document == {"log-opts": {}}
        assert target.managed == {("log-opts",)}

    def test_a_table_with_nothing_in_it_leaves_flags_where_they_are(self) -> None:
        command = "/usr/sbin/dockerd --log-opt max-size=1m --feature=buildkit=false"
        target = _target(_desired("log-opts = {}, features = {}"), **{"exec-start": command})
        assert (target.document, target.drop_in) == (None, None)

    @pytest.mark.parametrize(
        ("now", "engine", "impact"),
        [
            ({"features": {}}, "features.buildkit = true", Impact.RELOAD),
            ({"features": {"buildkit": True}}, "features = {}", Impact.RELOAD),
            ({"features": {}, "log-opts": {}}, "debug = false", Impact.NONE),
            ({"builder": {}, "proxies": {}}, "", Impact.NONE),
            ({}, "features = {}, log-opts = {}", Impact.NONE),
        ],
    )
    def test_a_table_with_nothing_in_it_takes_no_action(
        self, now: dict[str, Any], engine: str, impact: Impact
    ) -> None:
        desired = _desired(engine, '[policy]\nunmanaged-keys = "remove"')
        host = host_of({"daemon.json": now})
        plan = make_plan(target_of(desired, host, Applied()), host, Rules())
        assert plan.drifts
        assert (plan.impact, plan.refusals) == (impact, ())

    def test_no_file_is_made_for_nothing(self) -> None:
        assert _target(wanted("")).document is None

    def test_the_last_file_goes(self) -> None:
        described = {
            "daemon.json": {"debug": True, "icc": True},
            "applied": {"managed": [["debug"]], "drop-in": "x"},
        }
        target = empty_target(host_of(described), applied_of(described))
        assert target.document == {"icc": True}
        assert (target.drop_in, target.owns_drop_in, target.managed) == (None, True, frozenset())


class TestStorageDriverThatLeaves:
    @pytest.mark.parametrize(
        ("driver", "prior", "stays"),
        [
            ("overlay2", ["overlay2"], False),
            ("overlay2", ["btrfs", "overlay2"], True),
            ("overlay2", [], True),
            ("vfs", ["overlay2"], True),
            ("vfs", [], True),
        ],
    )
    def test_it_goes_only_where_the_engine_chooses_the_same(
        self, driver: str, prior: list[str], *, stays: bool
    ) -> None:
        target = _target(
            wanted(""),
            now={"storage-driver": driver},
            applied=_DRIVER_APPLIED,
            info={"Driver": driver},
            **{"prior-drivers": prior},
        )
        assert target.document == ({"storage-driver": driver} if stays else {})
        assert len(target.notes) == stays

    def test_it_stays_while_the_engine_cannot_be_asked(self) -> None:
        now = {"storage-driver": "vfs"}
        target = _target(wanted(""), now=now, applied=_DRIVER_APPLIED, engine="down")
        assert target.document == now
        assert target.managed == {("storage-driver",)}

    def test_one_of_containerd_goes_with_its_store(self) -> None:
        store = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
        for driver in ("overlayfs", "btrfs"):
            target = _target(
                _desired("features = { containerd-snapshotter = false }"),
                now={"storage-driver": driver, "features": {"containerd-snapshotter": True}},
                applied=_DRIVER_APPLIED,
                info={"Driver": driver, **store},
            )
            assert target.document == {"features": {"containerd-snapshotter": False}}

    def test_a_driver_called_as_one_of_containerd_stays(self) -> None:
        target = _target(
            _desired("features = { containerd-snapshotter = false }"),
            now={"storage-driver": "btrfs"},
            applied=_DRIVER_APPLIED,
            info={"Driver": "btrfs"},
            **{"prior-drivers": ["btrfs", "overlay2"]},
        )
        assert target.document == {
            "storage-driver": "btrfs",
            "features": {"containerd-snapshotter": False},
        }


class TestBackToAGeneration:
    def _back(self, wanted_then: Applied, **described: Any) -> tuple[Target, Plan]:
        host = host_of(described)
        target = generation_target(wanted_then, host, applied_of(described))
        return target, make_plan(target, host, Rules(name="T1"))

    def test_ours_of_then_and_now_change_and_the_rest_stays(self) -> None:
        then = Applied(document={"debug": True, "mtu": 1}, managed=frozenset({("debug",)}))
        now = {"mtu": 2, "icc": True, "debug": False}
        target, _ = self._back(then, **{"daemon.json": now, "applied": {"managed": [["icc"]]}})
        assert target.document == {"mtu": 2, "debug": True}

    @pytest.mark.parametrize(
        ("prior", "document"),
        [
            (["overlay2"], {"storage-driver": "overlay2"}),
            (["overlay2", "btrfs"], {"features": {"containerd-snapshotter": True}}),
            ([], {"features": {"containerd-snapshotter": True}}),
        ],
    )
    def test_out_of_containerds_store_only_to_a_driver_that_is_known(
        self, prior: list[str], document: dict[str, Any]
    ) -> None:
        now = {"features": {"containerd-snapshotter": True}}
        ours = {"applied": {"managed": [["features", "containerd-snapshotter"]]}}
        info = {
            "Driver": "overlayfs",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        }
        described = {"daemon.json": now, "info": info, "prior-drivers": prior, **ours}
        target, plan = self._back(Applied(), version="28.5.2", **described)
        assert target.document == document
        assert len(target.notes) == 1
        assert (plan.impact is Impact.MIGRATE) == ("storage-driver" in document)

    def test_the_very_bytes_come_back_where_nothing_foreign_differs(self) -> None:
        content = b'{"debug":true}'
        then = Applied(
            document={"debug": True}, managed=frozenset({("debug",)}), daemon_json=content
        )
        target, _ = self._back(then, **{"daemon.json": {"debug": False}})
        assert target.exact == content

    def test_a_file_that_was_not_there_goes(self) -> None:
        described = {"daemon.json": {"debug": True}, "applied": {"managed": [["debug"]]}}
        target, _ = self._back(Applied(), **described)
        assert target.document is None

    def test_the_driver_that_a_generation_had_without_naming_it(self) -> None:
        described = {
            "daemon.json": {"storage-driver": "vfs"},
            "info": {"Driver": "vfs"},
            "applied": {"managed": [["storage-driver"]]},
        }
        target, plan = self._back(Applied(), **described)
        assert target.document == {"storage-driver": "overlay2"}
        assert target.managed == {("storage-driver",)}
        assert not plan.refusals
        assert plan.impact.word == "migrate"

    def test_a_driver_that_nobody_knows_stays(self) -> None:
        described = {
            "daemon.json": {"storage-driver": "vfs"},
            "info": {"Driver": "vfs"},
            "prior-drivers": [],
            "applied": {"managed": [["storage-driver"]]},
        }
        target, plan = self._back(Applied(), **described)
        assert target.document == {"storage-driver": "vfs"}
        assert plan.steps == ()
        assert "is not known" in plan.notes[0]


class TestDaemonJson:
    @pytest.mark.parametrize("text", [None, "", " \n", "null", "{}", "\ufeff{}"])
    def test_nothing_in_it(self, text: str | None) -> None:
        assert daemon_json(host_of({"daemon.json": text})) == {}

    @pytest.mark.parametrize(
        ("text", "document"),
        [
            ('{"debug": true, "debug": false}', {"debug": False}),
            (
                '{"log-opts": {"max-size": "1m", "tag": "a"}, "log-opts": {"tag": "b"}}',
                {"log-opts": {"max-size": "1m", "tag": "b"}},
            ),
            (
                '{"builder": {"gc": {"enabled": true}}, "builder": {"gc": {"policy": []}}}',
                {"builder": {"gc": {"enabled": True, "policy": []}}},
            ),
            (
                '{"runtimes": {"a": {"path": "/a", "runtimeArgs": []}}, "runtimes": {"a": {}}}',
                {"runtimes": {"a": {}}},
            ),
            ('{"features": {"cdi": true}, "features": null}', {"features": None}),
        ],
        ids=["plain", "map", "nested", "whole-entries", "null"],
    )
    def test_what_stands_there_twice_is_read_as_the_engine_does(
        self, text: str, document: dict[str, Any]
    ) -> None:
        assert daemon_json(host_of({"daemon.json": text})) == document

    @pytest.mark.parametrize("text", ["{", "[]", "3", '{"a":1}}'])
    def test_what_cannot_be_merged_into(self, text: str) -> None:
        with pytest.raises(UnreadableFile, match=r"/etc/docker/daemon\.json"):
            daemon_json(host_of({"daemon.json": text}))

    def test_rendered_and_read_again(self) -> None:
        document: dict[str, Any] = {"labels": ["ü=1"], "x": {"y": None}}
        assert json.loads(leaves.render(document)) == document
        assert "ü" in leaves.render(document).decode()
