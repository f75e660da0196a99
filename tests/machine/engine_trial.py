"""Starts dockerd by hand, once for each daemon.json that it is given, and says how that went.

It runs inside a machine whose own engine is stopped, with the package beside it, so that the rules
judge what they see there. Input and output are JSON lists. A trial has
`document` (an object, or a text as it is), and may have `before` and `after` (shell), `set_up`
(shell, against an engine started with no configuration), `flags`, `environment`, and `then` (shell,
against the engine under trial).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dockcfgd.adapters.dockerd import DockerdValidator
from dockcfgd.adapters.files import HostFiles
from dockcfgd.adapters.surroundings import HostSurroundings
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.facts import facts_of
from dockcfgd.model.host import EngineState
from dockcfgd.planning.flags import parse_flags
from dockcfgd.planning.rules import breaches_of
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.rules.questions import questions_of
from dockcfgd.planning.rules.scene import Scene, with_flags

_ROOT = Path("/var/lib/docker/trial")
_RUN = Path("/run/trial")
_SOCKET = _RUN / "docker.sock"
_SECONDS = 40.0
_VARIABLES = ("DOCKER_DRIVER", "DOCKER_CERT_PATH", "HOME")
_INFO = "docker info --format '{{json .}}'"
_CLEAN = """
for bridge in docker0 trial0 $(ls /sys/class/net | grep ^br-); do
    ip link del "$bridge" 2>/dev/null
done
own='^(/var/lib/docker/trial|/run/trial)'
for mount in $(awk '{print $2}' /proc/mounts | grep -E "$own" | sort -r); do
    umount -l "$mount"
done
"""


def main() -> None:
    """Try one after the other."""
    print(json.dumps([_trial(one) for one in json.load(sys.stdin)]))


def _trial(asked: Mapping[str, Any]) -> dict[str, Any]:
    _clean()
    _RUN.mkdir(parents=True)
    environment = {**os.environ, **asked.get("environment", {})}
    environment["DOCKER_HOST"] = f"unix://{_SOCKET}"
    environment.pop("NOTIFY_SOCKET", None)
    try:
        _shell(asked.get("before", ""), environment)
        info: dict[str, Any] = {}
        if asked.get("set_up"):
            told = _started({}, f"({asked['set_up']}) >&2; {_INFO}", {}, environment)
            info = json.loads(told["printed"] or "{}")
        refused = _judged(asked["document"], info, environment, asked.get("flags", ()))
        seen = _started(asked["document"], asked.get("then", ""), asked, environment)
        return {**seen, "refused": refused}
    finally:
        _shell(asked.get("after", ""), environment)
        _clean()


def _judged(
    document: object,
    info: Mapping[str, Any],
    environment: Mapping[str, str],
    arguments: Sequence[str],
) -> list[str]:
    """Give why the first two rings refuse it."""
    if not isinstance(document, dict):
        return []
    version = DockerdValidator().version("/usr/sbin/dockerd")
    release = EngineVersion.parse(version)
    flags = parse_flags(arguments)
    named = {"data-root": str(_ROOT), "hosts": [f"unix://{_SOCKET}"], **document}
    scene = Scene(
        settings=with_flags(named, flags),
        by_flag=frozenset(flag.key for flag in flags),
        version=release,
        build=version,
        engine=EngineState(version=version, api_version="", info=info) if info else None,
        environment={name: environment[name] for name in _VARIABLES if name in environment},
    )
    asked = questions_of(scene)
    facts = facts_of(HostSurroundings(), HostFiles(), asked, root=scene.data_root)
    scene = replace(scene, facts=facts, prior_drivers=facts.prior_drivers or ())
    ring = [finding.message for finding in check(document, release)]
    return [*ring, *(one.text() for one in breaches_of(scene) if one.weight is not Weight.NOTED)]


def _started(
    document: object, then: str, asked: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    (_RUN / "daemon.json").write_text(text)
    began = time.monotonic()
    with (_RUN / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(document, asked.get("flags", ())),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        try:
            answers = _await(process)
            seconds = time.monotonic() - began
            done = _shell(then, environment) if answers else None
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
    lines = (_RUN / "log").read_text(errors="replace").strip().splitlines()
    return {
        "started": answers,
        "seconds": round(seconds, 2),
        "last": "" if answers or not lines else lines[-1][-600:],
        "then": None if done is None else done.returncode,
        "printed": "" if done is None else done.stdout,
        "said": "" if done is None else done.stderr[-600:],
    }


def _command(document: object, flags: Sequence[str]) -> list[str]:
    named = document if isinstance(document, dict) else {}
    own = {
        "data-root": f"--data-root={_ROOT}",
        "exec-root": f"--exec-root={_RUN}/exec",
        "pidfile": f"--pidfile={_RUN}/pid",
        "hosts": f"--host=unix://{_SOCKET}",
        "containerd": "--containerd=/run/containerd/containerd.sock",
    }
    given = [flag for key, flag in own.items() if key not in named]
    return ["dockerd", f"--config-file={_RUN}/daemon.json", *given, *flags]


def _await(process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _ping():
            return True
        time.sleep(0.03)
    return False


def _ping() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        connection.connect(str(_SOCKET))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False


def _shell(script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _clean() -> None:
    _shell(_CLEAN, os.environ)
    for folder in (_ROOT, _RUN):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
