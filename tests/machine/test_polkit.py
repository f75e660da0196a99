"""Who may change something, as a real polkit and its agent on a terminal decide it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
RULE = """\
polkit.addRule(function(action, subject) {
    if (action.id == "org.dockcfgd1.pause" && subject.user == "ops") return polkit.Result.YES;
    if (action.id == "org.dockcfgd1.backup" && subject.user == "ops") return polkit.Result.NO;
});
"""
CALL = ("busctl", "call", "org.dockcfgd1", "/org/dockcfgd1", "org.dockcfgd1.Manager")
ASKED = ("dockcfgctl", "apply", "--yes")
# A terminal with somebody at it, who types a password when asked for one.
AT_TERMINAL = """\
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("runuser", ["runuser", "-u", "ops", "--", *sys.argv[2:]])
said, typed = b"", 0
while True:
    try:
        said += os.read(terminal, 4096)
    except OSError:
        break
    if said.count(b"Password:") > typed:
        typed += 1
        time.sleep(float(os.environ.get("THINKS", "0.3")))
        os.write(terminal, sys.argv[1].encode() + b"\\n")
sys.stdout.write(said.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def as_ops(machine: Machine, *arguments: str) -> tuple[int, str]:
    """Run dockcfgctl as a user, with nobody to ask."""
    done = machine.run(["runuser", "-u", "ops", "--", "dockcfgctl", *arguments], check=False)
    return done.returncode, done.stdout + done.stderr


def a_prompt_keeps_nobody_waiting(machine: Machine) -> None:
    """While somebody thinks about a password the bus is answered and a dropped file applied."""
    slowly = ["env", "THINKS=10", "python3", "/at-terminal.py", "secret", *ASKED]
    with machine.popen(slowly) as asked:
        wait_for(lambda: machine.run(["pgrep", "pkttyagent"], check=False).stdout, 15)
        machine.write("/etc/dockcfgd/conf.d/b.toml", "[engine]\nmax-download-attempts = 4\n")
        for _ in range(3):
            began = time.monotonic()
            machine.run([*CALL, "GetStatus"])
            assert time.monotonic() - began < 2.0
        machine.run(["dockcfgctl", "wait", "--timeout", "8s"])
        assert json.loads(machine.read("/etc/docker/daemon.json"))["max-download-attempts"] == 4
        assert asked.poll() is None
        said, _ = asked.communicate(timeout=30)
    assert asked.returncode == 0, said


@pytest.mark.suite(*ALL)
def test_polkit_decides_for_others_than_root(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    machine.install_deb(build_deb("bookworm" if suite == "bookworm" else "trixie"))
    machine.run("useradd --create-home ops && echo root:secret | chpasswd")
    machine.write("/etc/polkit-1/rules.d/50-dockcfgd.rules", RULE)
    machine.write("/home/ops/a.toml", "schema = 1\n[engine]\nmax-concurrent-uploads = 3\n")
    assert as_ops(machine, "status")[0] == 0
    code, said = as_ops(machine, "plan", "/home/ops/a.toml")
    assert (code, "reload the engine" in said) == (0, True), said
    assert "the engine runs and cannot be asked" in said
    assert as_ops(machine, "pause")[0] == 0
    status = json.loads(machine.run(["dockcfgctl", "status", "--json"], check=False).stdout)
    assert (status["phase"], "uid 1" in str(status["reason"])) == ("paused", True)
    assert as_ops(machine, "resume")[0] == 0
    code, said = as_ops(machine, "backup", "create")
    assert (code, "polkit forbids org.dockcfgd1.backup" in said) == (1, True), said
    code, said = as_ops(machine, "apply", "/home/ops/a.toml")
    assert (code, "wants somebody to authorise org.dockcfgd1.apply" in said) == (1, True), said
    machine.write("/at-terminal.py", AT_TERMINAL)
    left = "! pgrep pkttyagent >/dev/null || exit 9"
    apply = ["sh", "-c", f"dockcfgctl apply /home/ops/a.toml; code=$?; {left}; exit $code"]
    wrong = machine.run(["python3", "/at-terminal.py", "wrong", *apply], check=False, timeout=60)
    assert wrong.returncode == 1, wrong.stdout
    done = machine.run(["python3", "/at-terminal.py", "secret", *apply], check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "Authentication is required to see or change the configuration" in done.stdout
    assert done.stdout.count("Password:") == 1
    assert "applied, generation" in done.stdout
    assert json.loads(machine.read("/etc/docker/daemon.json")) == {"max-concurrent-uploads": 3}
    a_prompt_keeps_nobody_waiting(machine)
    wrong = machine.run(["python3", "/at-terminal.py", "\x03", *ASKED], check=False, timeout=60)
    # Ctrl-C reaches the agent too: its word may be here before the signal is.
    assert wrong.returncode in {1, 130}, wrong.stdout
    assert "Traceback" not in wrong.stdout
    machine.run("systemctl mask --now polkit")
    code, said = as_ops(machine, "pause")
    assert (code, "only root may, as there is no polkit" in said) == (1, True), said
    assert machine.run(["dockcfgctl", "pause"]).returncode == 0
