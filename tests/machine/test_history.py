"""The history on a real host: files as they were, evidence, and a damaged state file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machine import Machine, wait_for
from roots import SUITES

_JSON = "/etc/docker/daemon.json"
_STATE = "/var/lib/dockcfgd/state.db"
_FIRST = '{\n    "labels": ["rack=7"]\n}\n'


def document(machine: Machine, *verb: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        machine.run(["dockcfgctl", *verb, "--json"], check=False).stdout
    )
    return said


def owner(machine: Machine) -> str:
    shown = machine.run(f"stat -c '%u:%g %a' {_JSON}").stdout.strip()
    with_attributes = "import os; print(os.getxattr('/etc/docker/daemon.json', 'user.note'))"
    note = machine.run(["python3", "-c", with_attributes], check=False).stdout.strip()
    return f"{shown} {note}".strip()


def want(machine: Machine, text: str) -> int:
    machine.write("/etc/dockcfgd/conf.d/50-test.toml", f"schema = 1\n{text}\n")
    return machine.run("dockcfgctl wait --timeout 90s", check=False).returncode


@pytest.mark.suite(*SUITES)
@pytest.mark.timeout(400)
def test_the_past_of_a_real_host(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    machine.write(_JSON, _FIRST, mode=0o600)
    machine.run(f"chown 7:8 {_JSON}")
    put = f"import os; os.setxattr('{_JSON}', 'user.note', b'mine')"
    machine.run(["python3", "-c", put])
    first = owner(machine)
    assert first == "7:8 600 b'mine'"
    machine.install_deb(build_deb("bookworm" if suite == "bookworm" else "trixie"))

    assert want(machine, "[engine]\nmax-concurrent-downloads = 5") == 0
    assert owner(machine) == first
    assert want(machine, '[engine]\nmetrics-addr = "192.0.2.1:9323"\nexperimental = true') == 1
    failed = document(machine, "show")
    (transaction,) = failed["transactions"]
    (evidence,) = transaction["evidence"]
    said = " ".join(line["text"] for line in evidence["engine"])
    assert "192.0.2.1" in said, said
    assert "metrics-addr" in evidence["files"][0]["text"]
    assert owner(machine) == first

    machine.run(f"rm {_JSON}")
    assert want(machine, "[engine]\nmax-concurrent-downloads = 6") == 0
    assert owner(machine) == first
    machine.write(_JSON, '{"max-concurrent-downloads": 6, "labels": ["rack=7"]}')
    assert want(machine, "[engine]\nmax-concurrent-downloads = 7") == 0
    assert owner(machine) == "0:0 644"
    machine.run(["dockcfgctl", "rollback", "0", "--yes", "--comment", "as it was"], check=False)
    assert machine.read(_JSON) == _FIRST
    assert owner(machine) == first
    assert machine.run("dockcfgctl diff 0").stdout == "generation 0 and disk are the same\n"
    newest = document(machine, "history")["generations"][0]
    assert (newest["actor"], newest["uid"], newest["comment"]) == ("root", 0, "as it was")

    damaged(machine)


def damaged(machine: Machine) -> None:
    """Break the file beneath a running engine; nothing is changed until apply."""
    machine.run("systemctl stop dockcfgd")
    machine.run(f"dd if=/dev/urandom of={_STATE} bs=100 count=1 conv=notrunc status=none")
    machine.write("/etc/dockcfgd/conf.d/50-test.toml", "schema = 1\n[engine]\ndebug = true\n")
    machine.run("systemctl start dockcfgd")
    wait_for(lambda: document(machine, "status")["condition"] == "degraded", what="degraded")
    reason = document(machine, "status")["reason"]
    assert "state.db.damaged-" in reason, reason
    assert machine.read(_JSON) == _FIRST
    assert machine.run("ls /var/lib/dockcfgd/").stdout.count("state.db.damaged-") >= 1
    machine.run("dockcfgctl apply")
    assert document(machine, "status")["condition"] == "in-sync"
    assert json.loads(machine.read(_JSON)) == {"labels": ["rack=7"], "debug": True}

    machine.run("mount --bind /var/lib/dockcfgd /var/lib/dockcfgd")
    machine.run("systemctl stop dockcfgd")
    machine.run("mount -o remount,ro,bind /var/lib/dockcfgd")
    machine.write("/etc/dockcfgd/conf.d/50-test.toml", "schema = 1\n[engine]\ndebug = false\n")
    machine.run("systemctl start dockcfgd")
    wait_for(lambda: document(machine, "status")["condition"] == "degraded", what="degraded")
    assert "Read-only file system" in document(machine, "status")["reason"]
    assert json.loads(machine.read(_JSON))["debug"] is True
    assert document(machine, "history")["generations"]
    assert machine.run("systemctl show -P NRestarts dockcfgd").stdout.strip() == "0"
    machine.run("mount -o remount,rw,bind /var/lib/dockcfgd")
    # The service has a view of the mounts of its own, made when it starts.
    machine.run("systemctl restart dockcfgd")
    assert machine.run("dockcfgctl wait --timeout 60s", check=False).returncode == 0
    assert json.loads(machine.read(_JSON))["debug"] is False
