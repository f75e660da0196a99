"""Going back to the storage of before, and freeing it, on a real engine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox, make_image
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ROOT = "/var/lib/docker"


def control(machine: Machine, *arguments: str) -> dict[str, Any]:
    done = machine.run(["dockcfgctl", *arguments, "--json"], check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.suite("bookworm", "trixie", "forky")
@pytest.mark.timeout(400)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_settings_that_were_changed_since_are_named_and_taken_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    make_busybox(machine)
    for network in ("own", "more"):
        machine.docker("network", "create", network)
    of_own = dict.fromkeys(("called", "limited", "joined"), "--network=own")
    for name, joining in (of_own | {"untouched": "--network=bridge"}).items():
        make = ("run", "--detach", "--init", f"--name={name}", joining)
        machine.docker(*make, "busybox", "sleep", "100000")
    machine.docker("create", "--name=never-started", "busybox", "true")
    machine.install_deb(build_deb(suite))
    machine.write(
        "/etc/dockcfgd/conf.toml",
        'schema = 1\n[engine]\nstorage-driver = "vfs"\n[verify]\nsettle = "1s"\n',
    )
    machine.run(["dockcfgctl", "wait", "--timeout", "2m"], timeout=130)
    machine.docker("restart", "--time=1", "untouched")
    machine.docker("start", "never-started")
    machine.docker("stop", "--time=1", "joined")
    assert control(machine, "storage", "status")["kept"]["since_then"]["changed"] == []

    machine.docker("rename", "called", "renamed")
    machine.docker("update", "--restart=always", "limited")
    machine.docker("network", "connect", "more", "joined")
    since = control(machine, "storage", "status")["kept"]["since_then"]
    assert since["changed"] == ["joined", "limited", "renamed"]

    back = machine.run(["dockcfgctl", "storage", "rollback", "--yes"], timeout=200).stdout
    assert "settings or networks than then: joined, limited, renamed" in back
    running = machine.docker("ps", "--format={{.Names}}").split()
    assert sorted(running) == ["called", "joined", "limited", "untouched"]
    told = "{{.HostConfig.RestartPolicy.Name}} {{len .NetworkSettings.Networks}}"
    assert machine.docker("inspect", f"--format={told}", "limited", "joined") == "no 1\nno 1"
    (change,) = control(machine, "show")["transactions"]
    assert "containers with --rm that run now end" in change["irreversible"]
    print(f"{suite}: name, restart policy and networks of three containers named and taken back")


@pytest.mark.suite("trixie")
@pytest.mark.timeout(400)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_back_and_freed(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    make_busybox(machine)
    run = ("run", "--detach", "--init")
    machine.docker(*run, "--name=web", "--volume=data:/data", "busybox", "sleep", "100000")
    machine.docker(*run, "--name=gone", "--env=A=b", "busybox", "sleep", "100000")
    machine.docker(*run, "--name=passing", "--rm", "busybox", "sleep", "100000")
    machine.docker("exec", "web", "sh", "-c", "echo then > /written; echo kept > /data/file")
    machine.docker("exec", "passing", "sh", "-c", "echo then > /written")
    machine.install_deb(build_deb(suite))
    machine.write(
        "/etc/dockcfgd/conf.toml",
        'schema = 1\n[engine]\nstorage-driver = "vfs"\n[verify]\nsettle = "1s"\n',
    )
    machine.run(["dockcfgctl", "wait", "--timeout", "2m"], timeout=130)
    assert machine.docker("info", "--format={{.Driver}}") == "vfs"
    nothing = control(machine, "storage", "status")["kept"]
    assert nothing["since_then"]["written"] == []
    assert (nothing["can_go_back"], nothing["measured"]) == (True, True)
    assert nothing["bytes"] > 0

    make_image(machine, "app:1", layers_mb=[1])
    machine.docker(*run, "--name=new", "app:1", "sleep", "100000")
    machine.docker("exec", "web", "sh", "-c", "echo since > /written")
    machine.docker("rm", "--force", "gone")
    kept = control(machine, "storage", "status")["kept"]
    since = kept["since_then"]
    assert (since["created"], since["removed"], since["written"]) == (["new"], ["gone"], ["web"])
    assert (since["images"], since["ending"]) == (["app:1"], ["passing"])

    assert control(machine, "storage", "rollback", "--yes")["verdict"] == "applied"
    assert machine.docker("info", "--format={{.Driver}}") == "overlay2"
    running = machine.docker("ps", "--format={{.Names}}").split()
    assert sorted(running) == ["gone", "passing", "web"]
    for name in ("web", "passing"):
        assert machine.docker("exec", name, "cat", "/written") == "then"
    assert machine.docker("exec", "web", "cat", "/data/file") == "kept"
    assert "A=b" in machine.docker("inspect", "--format={{.Config.Env}}", "gone")
    status = json.loads(machine.run(["dockcfgctl", "status", "--json"], check=False).stdout)
    assert (status["condition"], status["reason"]) == ("rejected", "rolled back by operator")
    assert status["kept"]["driver"] == "vfs"

    freed = control(machine, "storage", "prune", "--yes")
    assert freed["verdict"] == "applied"
    assert "freed" in freed["reason"]
    assert machine.run(["ls", f"{ROOT}/dockcfgd"]).stdout == ""
    assert not machine.exists(f"{ROOT}/vfs")
    assert control(machine, "storage", "status")["kept"] is None
    assert machine.docker("exec", "web", "cat", "/written") == "then"
