from __future__ import annotations

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.planning.direction import flags_lost_by_reload
from dockcfgd.planning.flags import parse_flags
from dockcfgd.planning.reloading import readable
from tests.golden.described_host import host_of

_KATA: Json = {"path": "/usr/bin/kata"}


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"runtimes": {"a": {"path": "/a"}}}, {"kata": _KATA, "a": {"path": "/a"}}),
        ({"runtimes": {}}, {"kata": _KATA}),
        ({"runtimes": {"kata": {"path": "/b"}}}, {"kata": {"path": "/b"}}),
        ({"debug": True}, None),
    ],
)
def test_a_reload_with_runtimes_names_those_that_flags_set(
    document: dict[str, Json], read: Json
) -> None:
    host = host_of({"command": ["/usr/sbin/dockerd", "--add-runtime", "Kata=/usr/bin/kata"]})
    assert readable(document, host).get("runtimes") == read


def test_a_reload_clears_the_features_of_flags() -> None:
    flags = parse_flags(["--feature=buildkit=false", "--feature", "cdi=true", "--debug"])
    host = host_of({"version": "28.5.2"})
    assert flags_lost_by_reload(flags, host) == ("--feature=buildkit=false",)
