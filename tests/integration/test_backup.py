"""backup over the real bus, with the real daemon and command."""

from __future__ import annotations

import json
import re

from tests.integration.house import House


def test_made_listed_checked_and_removed(house: House) -> None:
    backups = house.folder / "backups"
    house.conf_d.mkdir(parents=True, exist_ok=True)
    text = f'schema = 1\n[backup]\ndirectory = "{backups}"\n'
    (house.conf_d / "10-backup.toml").write_text(text)
    house.start()
    assert house.ctl("backup", "list").stdout.startswith("there are no backups")

    made = house.ctl("backup", "create", "--comment", "why")
    assert made.returncode == 0, made.stdout + made.stderr
    (backup,) = house.document("backup", "list")["backups"]
    assert (backup["complete"], backup["comment"]) == (True, "why")
    assert made.stdout.splitlines()[-1] == f"backup {backup['id']} is complete"
    status = house.document("status")
    assert (status["backups"], status["task"]["verdict"]) == (1, "applied")
    assert house.document("backup", "verify", backup["id"])["good"]
    assert house.document("backup", "show", backup["id"])["actor"] == "root"

    refused = house.ctl("backup", "create", "nobody", "--volumes", "--json")
    assert refused.returncode == 1
    answer = json.loads(refused.stdout)
    assert (answer["verdict"], "nobody" in answer["reason"]) == ("refused", True)
    restored = house.ctl("backup", "restore", backup["id"])
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert restored.stdout.splitlines()[-1] == f"restored from {backup['id']}"

    unknown = house.ctl("backup", "prune", "none")
    assert (unknown.returncode, "there is no backup none" in unknown.stderr) == (1, True)
    removed = house.ctl("backup", "prune", "--keep", "0")
    assert removed.stdout == f"removed: {backup['id']}\n"
    assert list(backups.iterdir()) == []


def test_systemd_is_told_how_far_it_is(house: House) -> None:
    house.drop("10-backup.toml", f'[backup]\ndirectory = "{house.folder}/backups"')
    house.start()
    assert house.ctl("backup", "create").returncode == 0
    told = [line for line in house.heard if "under way" in line or "save the images" in line]
    assert told[0] == "STATUS=in-sync: a backup is under way"
    assert any(
        re.fullmatch(r"STATUS=in-sync: save the images: .* kB \(100 %\), images\.tar.*", line)
        for line in told
    ), told
