"""Where containers cannot be moved in place they are made anew, and are the same but for a list."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from machine import Machine
from migration_zoo import BY_HAND_ALWAYS, make_zoo
from zoo_sight import ROOT, Seen, change_to, expect_same, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)

Document = dict[str, Any]

# What may differ in what the engine shows of a container, and nothing else. In words the list is in
# docs/storage-migration.md.
NEW = {
    "Id", "Created", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "RestartCount",
    "State", "Image", "ImageManifestDescriptor",
}  # fmt: skip
NOTHING: tuple[Any, ...] = (None, [], {})
TOLD_APART = ("Config.Entrypoint", "Config.Cmd")
_SHORT_ID, _HASH = re.compile(r"[0-9a-f]{12}"), 64


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(2400)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_both_ways_give_the_same_containers(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    change_to(machine, "vfs")
    in_place = look(machine)
    expect_same(before, in_place)

    machine.run(["dockcfgctl", "storage", "rollback", "--yes", "--no-backup"], timeout=600)
    assert machine.docker("info", "--format={{.Driver}}") == "overlay2"
    expect_same(before, look(machine))

    # Made anew it stays as it was left: it is created after the engine's start.
    machine.docker("stop", BY_HAND_ALWAYS)
    in_place = replace(in_place, states=in_place.states | {BY_HAND_ALWAYS: "exited"})

    # A file that no known release has there: dockcfgd does not touch what it does not know.
    one = machine.docker("inspect", "--format={{.Id}}", "writer")
    machine.run(["touch", f"{ROOT}/image/overlay2/layerdb/mounts/{one}/unknown"])
    planned = machine.run(["dockcfgctl", "plan"], check=False, timeout=120).stdout
    assert "unknown file unknown" in " ".join(planned.split())
    machine.run(["dockcfgctl", "apply", "--yes"], check=False, timeout=900)
    assert machine.docker("info", "--format={{.Driver}}") == "vfs"
    anew = look(machine)

    expect_alike(in_place, anew)
    print(f"{suite}: {len(anew.documents)} containers in place and anew")


@pytest.mark.suite("bookworm")
@pytest.mark.timeout(2400)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_to_overlay_and_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    """A driver that only engines before 24 have."""
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    for driver in ("overlay", "overlay2"):
        change_to(machine, driver)
        expect_alike(before, look(machine))
    print(f"{suite}: {len(before.documents)} containers to overlay and back")


def expect_alike(before: Seen, after: Seen) -> None:
    """Expect other containers that differ in nothing but what may."""
    assert after.documents.keys() == before.documents.keys()
    for name, document in before.documents.items():
        assert after.documents[name]["Id"] != document["Id"]
    assert losses(before, after, of=before.documents) == []
    expect_disposable(before, after)
    assert states(after) == states(before)
    assert after.contents == before.contents
    assert after.logs == before.logs
    assert after.images == before.images
    assert after.volumes == before.volumes
    assert after.networks == before.networks


def expect_disposable(before: Seen, after: Seen) -> None:
    """Expect that those with --rm, made anew by each change, differ in nothing but what may."""
    assert after.disposable.keys() == before.disposable.keys()
    assert losses(before, after, of=before.disposable) == []


def losses(before: Seen, after: Seen, *, of: Iterable[str]) -> list[str]:
    """Give a line for each thing that some containers do not have any more."""
    first, second = alike(before), alike(after)
    return [line for name in of for line in differing(name, first[name], second[name])]


def differing(where: str, before: Any, after: Any) -> list[str]:
    """Give a line for each thing that is not the same; null and empty are."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        found = [differing(f"{where}.{key}", before.get(key), after.get(key)) for key in keys]
        return [line for lines in found for line in lines]
    nothing = before in NOTHING and after in NOTHING and not where.endswith(TOLD_APART)
    return [] if before == after or nothing else [f"{where}: {before} -> {after}"]


def states(seen: Seen) -> dict[str, str]:
    """Give what containers do; one that ended reads `created`, for its command is not run."""
    return {
        name: "created" if status == "exited" else status for name, status in seen.states.items()
    }


def alike(seen: Seen) -> dict[str, Document]:
    """Give the documents without what may differ."""
    every = seen.documents | seen.disposable
    names = {one["Id"]: name for name, one in (every | seen.networks).items() if "Id" in one}
    return {name: _alike(one, names) for name, one in every.items()}


def _alike(document: Document, names: Mapping[str, str]) -> Document:
    kept = {key: value for key, value in document.items() if key not in NEW}
    # Where a layer was written to, the image is that layer's.
    others = document["HostConfig"]["NetworkMode"].startswith("container:")
    borrowed = others or document["HostConfig"]["UTSMode"] == "host"
    left = {"Image", *(("Hostname",) if borrowed else ())}
    kept["Config"] = {key: one for key, one in document["Config"].items() if key not in left}
    kept["Mounts"] = [one | {"Mode": _options(one.get("Mode", ""))} for one in document["Mounts"]]
    unnamed = {one["Name"] for one in document["Mounts"] if len(one.get("Name", "")) == _HASH}
    host = {**document["HostConfig"]}
    host["Binds"] = sorted(
        _bind(bind) for bind in host["Binds"] or [] if bind.partition(":")[0] not in unnamed
    )
    host["Mounts"] = [_asked(one, unnamed) for one in host.get("Mounts") or []]
    host["OomKillDisable"] = host["OomKillDisable"] or False
    for key in ("NetworkMode", "IpcMode", "PidMode"):
        kind, colon, other = host[key].partition(":")
        host[key] = f"{names.get(kind, kind)}{colon}{names.get(other, other)}"
    sources = [_called(one, names) for one in host["VolumesFrom"] or []]
    if host["AutoRemove"]:
        # From the one that held its unnamed volumes while it was gone.
        sources = [one for one in sources if not one.startswith("dockcfgd-hold-")]
    host["VolumesFrom"] = sources
    kept["HostConfig"] = host
    kept["Networks"] = {
        name: {**one, "Aliases": _own(one)} for name, one in document["Networks"].items()
    }
    text = json.dumps(kept)
    return json.loads(text)  # type: ignore[no-any-return]


def _bind(bind: str) -> str:
    source, place, *options = bind.split(":")
    return f"{source}:{place}:{_options(','.join(options))}"


def _options(text: str) -> str:
    """Leave out what keeps an empty volume empty, and what the engine puts where none is given."""
    return ",".join(sorted(set(text.split(",")) - {"", "nocopy", "z"}))


def _asked(mount: Document, unnamed: set[str]) -> Document:
    options = {**(mount.get("VolumeOptions") or {})}
    options.pop("NoCopy", None)
    source = mount.get("Source")
    return mount | {"Source": None if source in unnamed else source, "VolumeOptions": options}


def _called(entry: str, names: Mapping[str, str]) -> str:
    token, colon, rest = entry.partition(":")
    return f"{names.get(token, token)}{colon}{rest}"


def _own(endpoint: Document) -> list[str]:
    """Give the aliases without those that the engine makes of an ID: the old one stays, too."""
    return sorted({one for one in endpoint.get("Aliases") or () if not _SHORT_ID.fullmatch(one)})
