"""The data-root moves to another place, and all that is in it is there afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox, make_image
from machine import Machine, wait_for
from migration_zoo import make_zoo
from test_made_anew import expect_disposable
from zoo_layers import tree_on
from zoo_sight import Seen, expect_same, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
USUAL, ONE, TWO = "/var/lib/docker", "/data/one", "/data/two"
STATUS = "/run/dockcfgd/status.json"
# What is in a volume beside files: all that a copy could lose.
_FILES = """\
set -e; cd /v; echo one > plain; ln plain hard; ln -s /nowhere soft; mkfifo fifo; mknod dev c 1 3
mknod gone c 0 0; chmod 4755 plain; chown 1000:1001 plain; touch -d '2001-02-03 04:05:06' plain
dd if=/dev/zero of=sparse bs=1 count=1 seek=5000000 2>/dev/null; mkdir -p a/b; chmod 2771 a/b
echo gone > a/b/file; touch 'a name with
a line end'
"""
# Of these, what busybox has no program for: an attribute, ACLs with one more user, a capability.
_ATTRIBUTES = """\
import os, struct, sys
os.chdir(sys.argv[1])
entries = ((1, 6, -1), (2, 4, 1000), (4, 4, -1), (16, 4, -1), (32, 0, -1))
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in entries)
os.setxattr("sparse", "user.mine", b"value")
os.setxattr("sparse", "system.posix_acl_access", acl)
os.setxattr("a", "system.posix_acl_default", acl)
os.setxattr("a/b/file", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))
"""
_GIVEN = {
    "sparse": {"user.mine", "system.posix_acl_access"},
    "a": {"system.posix_acl_default"},
    "a/b/file": {"security.capability"},
}


def want(machine: Machine, root: str, more: str = "") -> None:
    named = f'data-root = "{root}"\n' if root else ""
    text = f'schema = 1\n[engine]\n{named}{more}[verify]\nsettle = "500ms"\n'
    machine.write("/etc/dockcfgd/conf.toml", text)


def status_of(machine: Machine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(machine.run(["cat", STATUS]).stdout)
    return document


def change_to(machine: Machine, root: str, more: str = "") -> dict[str, Any]:
    """Ask for a data-root; give the status after it."""
    want(machine, root, more)
    done = machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
    status = status_of(machine)
    assert done.returncode == 0, status["last"] or status["desired"]
    assert machine.docker("info", "--format={{.DockerRootDir}}") == root
    return status


def moved(seen: Seen, before: str, after: str) -> Seen:
    """Give what was seen with the data-root's other path."""
    text = json.dumps([seen.documents, seen.disposable])
    for end in ("/", '"', ":"):
        text = text.replace(f"{before}{end}", f"{after}{end}")
    documents, disposable = json.loads(text)
    return replace(seen, documents=documents, disposable=disposable)


def tree(machine: Machine, root: str) -> dict[str, list[Any]]:
    """Give what the layers and volumes of a data-root are, and whose nothing changes by running."""
    found = machine.run(["sh", "-c", f"ls -d {root}/overlay2/*/diff {root}/volumes/*/_data"])
    tops = [*found.stdout.split(), f"{root}/image", f"{root}/overlay2/l"]
    return tree_on(machine, root, *tops)


def layers_of(paths: Iterable[str]) -> set[str]:
    """Give the layers that paths are in; none may be of anything else but what names a layer."""
    beside = ("overlay2/l/", "image/overlay2/layerdb/mounts/")
    inside = [path.split("/") for path in paths if not path.startswith(beside)]
    assert all(parts[0] == "overlay2" for parts in inside), inside
    return {parts[1].removesuffix("-init") for parts in inside}


def some_containers(machine: Machine) -> None:
    make_busybox(machine)
    make_image(machine, "app:1", layers_mb=[1, 0.5])
    docker, run = machine.docker, ("run", "--detach", "--init", "--stop-timeout=3")
    docker("volume", "create", "named")
    docker(*run, "--name=web", "--restart=always", "--volume=named:/v", "app:1", "sleep", "1000000")
    docker("exec", "web", "sh", "-c", _FILES)
    machine.run(["python3", "-c", _ATTRIBUTES, f"{USUAL}/volumes/named/_data"])
    docker("exec", "web", "sh", "-c", "rm -f /etc/group; echo written > /written")
    docker(*run, "--name=logs", f"--volume={USUAL}/containers:/logs:ro", "busybox",
           "sleep", "1000000")  # fmt: skip
    docker(*run, "--name=inside", f"--mount=type=bind,source={USUAL}/volumes/named,target=/named",
           "busybox", "sleep", "1000000")  # fmt: skip
    docker(*run, "--name=disposable", "--rm", "busybox", "sh", "-c", "echo 1 > /1; sleep 1000000")
    docker("run", "--name=ended", "busybox", "sh", "-c", "echo bye; exit 3", check=False)


def _units(machine: Machine) -> set[str]:
    units = machine.run("systemctl list-units --all --plain --no-legend 'dockcfgd-*'").stdout
    return {line.split()[0] for line in units.splitlines()}


def expect_one_copy(machine: Machine, *roots: str) -> None:
    """Expect these data-roots, and nothing of what was needed on the way."""
    found = machine.run("ls -d /var/lib/docker/image /data/*/image 2>/dev/null", check=False)
    assert found.stdout.split() == [f"{root}/image" for root in sorted(roots)]
    wait_for(lambda: _units(machine) <= {"dockcfgd-recover.service"}, what="the last look at it")
    assert machine.run("ls /var/lib/dockcfgd/kept /var/lib/dockcfgd/undo").stdout.split() == [
        "/var/lib/dockcfgd/kept:",
        "/var/lib/dockcfgd/undo:",
    ]


@pytest.mark.suite(*ALL)
@pytest.mark.machine(folders=("/data",))
@pytest.mark.timeout(600)
def test_copied_renamed_and_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    some_containers(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)

    change_to(machine, ONE)
    expect_same(moved(before, USUAL, ONE), look(machine))
    assert machine.docker("exec", "disposable", "cat", "/1") == "1"
    assert machine.docker("exec", "inside", "cat", "/named/_data/a/b/file") == "gone"
    machine.run("systemctl stop docker.socket docker")
    old, new = tree(machine, USUAL), tree(machine, ONE)
    assert {path: old[path] for path in old.keys() & new.keys()} == {
        path: new[path] for path in old.keys() & new.keys()
    }
    assert {path: set(new[f"volumes/named/_data/{path}"][8]) for path in _GIVEN} == _GIVEN
    # The --rm container went with its layer, and was made anew with another.
    for one, other in ((old, new), (new, old)):
        assert len(layers_of(one.keys() - other.keys())) <= 1
    assert any(path.endswith("/_data/gone") for path in new)
    machine.run("systemctl start docker.socket docker; docker start logs inside")
    expect_one_copy(machine, ONE, USUAL)

    machine.docker("exec", "web", "sh", "-c", "echo on one > /on-one")
    change_to(machine, TWO)
    assert machine.docker("exec", "web", "cat", "/on-one") == "on one"
    expect_one_copy(machine, TWO, USUAL)

    machine.docker("exec", "web", "rm", "/on-one", "/v/plain")
    machine.docker("exec", "web", "sh", "-c", "ln /v/hard /v/plain")
    change_to(machine, USUAL)
    expect_same(before, look(machine))
    expect_one_copy(machine, USUAL, TWO)

    assert f"left:   {TWO}, data-root until" in machine.run("dockcfgctl storage status").stdout
    machine.run(["dockcfgctl", "storage", "prune", "--yes"])
    expect_one_copy(machine, USUAL)
    assert machine.run(["test", "-e", TWO], check=False).returncode == 1
    expect_same(before, look(machine))


@pytest.mark.suite(*ALL)
@pytest.mark.machine(folders=("/data",))
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_containers_of_every_kind(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    for old, new in ((USUAL, ONE), (ONE, TWO), (TWO, USUAL)):
        change_to(machine, new)
        after = look(machine)
        expect_same(moved(before, USUAL, new), after)
        expect_disposable(moved(before, USUAL, new), after)
        assert after.changes == before.changes
        assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
            "disposable\nmine"
        )
        print(f"{suite}: {len(before.documents)} containers from {old} to {new}")


def without_states(seen: Seen) -> Seen:
    """Leave out what a crash of the machine ends: what runs, and what it logs as it starts anew."""
    ended = {"State", "RestartCount"}
    documents = {
        name: {key: value for key, value in document.items() if key not in ended}
        for name, document in seen.documents.items()
    }
    return replace(seen, documents=documents, states={}, logs={})


def came_back(machine: Machine, before: Seen, root: str) -> None:
    """Expect that a machine that was cut off went back, and that the change was made after all."""
    machine.boot()
    said = machine.run("journalctl --boot --unit=dockcfgd-recover").stdout
    assert "is taken back; dockcfgd finishes the rest" in said
    wait_for(lambda: status_of(machine)["condition"] == "in-sync", 120, what="the change")
    assert machine.docker("info", "--format={{.DockerRootDir}}") == root
    expect_same(without_states(moved(before, USUAL, root)), without_states(look(machine)))


@pytest.mark.suite("trixie")
@pytest.mark.machine(folders=("/data",))
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_the_machine_dies_in_the_middle(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    some_containers(machine)
    machine.docker("exec", "web", "dd", "if=/dev/urandom", "of=/v/large", "bs=1M", "count=400")
    machine.install_deb(build_deb(suite))
    before = look(machine)
    want(machine, ONE)
    mark = f"{ONE}/dockcfgd/copy.json"
    wait_for(
        lambda: machine.run(["test", "-e", mark], check=False).returncode == 0, what="the copy"
    )
    machine.kill()
    came_back(machine, before, ONE)
    expect_one_copy(machine, ONE, USUAL)

    machine.run("touch /run/hold")
    hold = f'commands = ["while test -e /run/hold -a -e {TWO}/image; do sleep 0.1; done"]\n'
    text = f'schema = 1\n[engine]\ndata-root = "{TWO}"\n[verify]\nsettle = "500ms"\n{hold}'
    machine.write("/etc/dockcfgd/conf.toml", text)
    renamed = ["test", "-e", f"{TWO}/image"]
    wait_for(lambda: machine.run(renamed, check=False).returncode == 0, 60, what="the other name")
    machine.kill()
    came_back(machine, before, TWO)
    expect_one_copy(machine, TWO, USUAL)


@pytest.mark.suite("trixie")
@pytest.mark.machine(folders=("/data",))
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_what_fails_is_taken_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    some_containers(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    for old, new in ((USUAL, ONE), (ONE, TWO)):
        text = f'schema = 1\n[engine]\ndata-root = "{new}"\n[verify]\ncommands = ["false"]\n'
        machine.write("/etc/dockcfgd/conf.toml", text)
        machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
        last = status_of(machine)["last"]
        assert last["verdict"] == "rolled-back", last
        assert machine.docker("info", "--format={{.DockerRootDir}}") == old
        expect_same(moved(before, USUAL, old), look(machine))
        assert machine.docker("exec", "disposable", "cat", "/1") == "1"
        expect_one_copy(machine, old, *([USUAL] if old != USUAL else []))
        if old == USUAL:
            change_to(machine, ONE)
