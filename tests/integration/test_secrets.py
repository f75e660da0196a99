"""No secret leaves the daemon: by its files, its log, its signals, its answers or its command."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.house import House

_SECRET = "Qx-never-seen"  # noqa: S105 -- stands for one
_NAME, _PATH = "org.dockcfgd1", "/org/dockcfgd1"
_WANTED = """\
[engine]
log-driver = "splunk"
log-opts = {{ splunk-token = "{0}-1", splunk-url = "https://me:{0}-2@splunk:8088" }}
proxies = {{ http-proxy = "http://me:{0}-3@proxy:3128" }}
{1}
[service]
environment = {{ MY_TOKEN = "{0}-4", HTTPS_PROXY = "http://me:{0}-5@proxy:3128" }}
[verify]
settle = "0s"
"""
_REFUSED = """\
[engine]
registry-mirrors = ["https://me:{0}-6@mirror"]
log-driver = "{0}-7"
"""


def test_no_secret_leaves_the_daemon(house: House) -> None:
    house.daemon_json.write_text(f'{{"registry-mirrors": ["https://me:{_SECRET}-8@mirror"]}}')
    with _signals(house) as signals:
        house.start()
        shown: list[str] = []
        house.drop("one.toml", _WANTED.format(_SECRET, ""))
        shown += _all(house, "applied")
        assert f"{_SECRET}-3" in house.daemon_json.read_text()
        house.drop("one.toml", _WANTED.format(f"{_SECRET}-b", 'metrics-addr = "127.0.0.1:9323"'))
        shown += _all(house, "rolled-back")
        wrong = house.folder / "wrong.toml"
        wrong.write_text("schema = 1\n" + _REFUSED.format(_SECRET))
        for verb in ("validate", "plan", "apply"):
            done = house.ctl(verb, str(wrong))
            assert done.returncode == 1
            shown.append(done.stdout + done.stderr)
        house.drop("one.toml", _REFUSED.format(_SECRET))
        shown += _all(house, "refused")
        signals.terminate()
        told = signals.communicate(timeout=10)[0]
    shown += [told, (house.folder / "dockcfgd.log").read_text()]
    assert "StatusChanged" in told
    for one in shown:
        assert one
        assert _SECRET not in one, one
    assert any("***" in one for one in shown)


def _all(house: House, verdict: str) -> list[str]:
    """Give everything that there is to see once the daemon rests."""
    house.until(
        lambda status: (
            status["phase"] == "idle"
            and status["last"] is not None
            and status["last"]["verdict"] == verdict
        )
    )
    answer = subprocess.run(
        [
            *("gdbus", "call", f"--address={house.bus.address}", f"--dest={_NAME}"),
            *(f"--object-path={_PATH}", f"--method={_NAME}.Manager.GetStatus"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    commands = (
        ["status"],
        ["status", "--json"],
        ["plan"],
        ["plan", "--json"],
        ["history"],
        ["show"],
        ["show", "--json"],
        ["show", "1"],
        ["diff", "0"],
        ["diff", "0", "--json"],
    )
    return [
        answer.stdout,
        *((house.folder / "run" / name).read_text() for name in ("status.json", "status.txt")),
        *(house.ctl(*command).stdout for command in commands),
    ]


def _signals(house: House) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["dbus-monitor", "--address", house.bus.address, f"type='signal',path='{_PATH}'"],
        stdout=subprocess.PIPE,
        text=True,
    )
