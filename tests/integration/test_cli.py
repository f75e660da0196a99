from __future__ import annotations

import json

from tests.integration.house import House

RELOAD = "schema = 1\n[engine]\nmax-concurrent-downloads = 5\n"


def test_verbs_of_a_running_daemon(house: House) -> None:
    house.start()
    wanted = house.folder / "wanted.toml"
    wanted.write_text(RELOAD)

    assert house.ctl("status").returncode == 0
    assert house.document("status")["condition"] == "unmanaged"
    assert house.ctl("validate", str(wanted)).returncode == 0
    plan = house.document("plan", str(wanted))
    assert plan["impact"] == "reload"
    assert [drift["key"] for drift in plan["drifts"]] == ["max-concurrent-downloads"]
    assert house.ctl("plan", str(wanted), "--exit-code").returncode == 4
    assert not house.daemon_json.exists()

    applied = house.ctl("apply", str(wanted))
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert (house.conf_d / "wanted.toml").read_text() == RELOAD
    assert house.ctl("wait", "--timeout", "10s").returncode == 0
    assert house.document("status")["condition"] == "in-sync"
    assert house.ctl("plan", "--exit-code").returncode == 0

    back = house.ctl("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert not house.daemon_json.exists()
    status = house.document("status")
    assert (status["condition"], status["reason"]) == ("rejected", "rolled back by operator")
    assert house.ctl("status").returncode == 1

    generations = house.document("history")["generations"]
    assert [one["generation"] for one in generations] == [2, 1, 0]
    assert [one["verdict"] for one in generations] == ["applied", "applied", "applied"]
    assert (generations[0]["actor"], generations[0]["uid"]) == ("root", 0)
    same = house.ctl("diff", "0")
    assert (same.returncode, same.stdout) == (0, "generation 0 and disk are the same\n")
    differs = house.document("diff", "1", "disk")
    (view,) = differs["files"]
    assert (view["path"], view["after"]) == (str(house.daemon_json), None)
    assert '-  "max-concurrent-downloads": 5' in view["diff"]
    assert house.ctl("diff", "1", "--exit-code").returncode == 4
    shown = house.ctl("show", "1")
    assert shown.stdout.startswith("generation 1: applied (reload)\n")
    assert "max-concurrent-downloads" in shown.stdout
    assert house.document("show")["generation"] == 2
    assert house.ctl("show", "9").returncode == 1
    assert house.ctl("apply").returncode == 0
    assert house.document("status")["condition"] == "in-sync"


def test_a_host_is_taken_over(house: House) -> None:
    text = '{ "max-concurrent-uploads": 4, "max-concurrent-downloads": 0 }'
    house.daemon_json.write_text(text)
    alone = house.ctl("import")
    assert alone.returncode == 0
    assert f"# from {house.daemon_json}:1\n" in alone.stdout
    assert "\nmax-concurrent-uploads = 4" in alone.stdout
    assert f"dockcfgctl: {house.daemon_json}:1: max-concurrent-downloads: not taken over" in (
        alone.stderr
    )
    house.start()
    path = house.conf_d / "10-host.toml"
    assert house.ctl("import", "--output", str(path)).returncode == 0
    assert path.read_text() == alone.stdout
    assert house.ctl("import", "--output", str(path)).returncode == 1
    assert house.ctl("wait", "--timeout", "10s").returncode == 0
    status = house.document("status")
    assert (status["condition"], status["last"]) == ("in-sync", None)
    assert house.daemon_json.read_text() == text
    assert house.systemd.calls("ReloadUnit", "RestartUnit", "Reload") == []
    assert house.ctl("plan", "--exit-code").returncode == 0


def test_what_is_refused_leaves_nothing(house: House) -> None:
    house.start()
    wrong = house.folder / "wrong.toml"
    wrong.write_text("schema = 1\n[engine]\nmax-concurrent-download = 5\n")
    for verb in ("validate", "plan", "apply"):
        done = house.ctl(verb, str(wrong))
        assert done.returncode == 1, verb
        assert "max-concurrent-downloads" in done.stdout + done.stderr
    assert list(house.conf_d.iterdir()) == []
    assert house.ctl("aply").returncode == 2


def test_what_does_not_start_leaves_nothing(house: House) -> None:
    house.start()
    wanted = house.folder / "metrics.toml"
    wanted.write_text(
        'schema = 1\n[engine]\nmetrics-addr = "127.0.0.1:9323"\n[verify]\nsettle = "1s"\n'
    )
    done = house.ctl("apply", str(wanted))
    assert done.returncode == 1, done.stdout + done.stderr
    assert list(house.conf_d.iterdir()) == []
    assert not house.daemon_json.exists()
    assert house.document("history")["generations"][0]["verdict"] == "rolled-back"


def test_without_a_daemon(house: House) -> None:
    wanted = house.folder / "wanted.toml"
    wanted.write_text(RELOAD)
    assert house.ctl("status").returncode == 3
    assert house.ctl("validate", str(wanted)).returncode == 0
    assert house.document("plan", str(wanted))["impact"] == "reload"
    assert house.ctl("apply", str(wanted)).returncode == 3
    assert json.loads(house.ctl("history", "--json").stdout)["generations"] == []


def test_no_name_and_no_key_steers_the_terminal(house: House) -> None:
    house.start()
    house.drop("10-a.toml", '[engine]\n"\\u001b[2Jdebug" = true\n')
    house.until(lambda status: status["condition"] == "rejected")
    odd = house.folder / "odd.toml"
    odd.write_text('schema = 1\n[engine]\n"\\u001b[2Jmtu" = 1\n')
    for verb in (
        ["import"],
        ["apply", str(odd)],
        ["plan", "/nonexistent/\x1b[2J/a.toml"],
        ["backup", "show", "\x1b[2J"],
    ):
        done = house.ctl(*verb)
        assert "[2J" in done.stdout + done.stderr, verb
        assert "\x1b" not in done.stdout + done.stderr, verb
