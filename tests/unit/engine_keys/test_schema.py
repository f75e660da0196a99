"""The pydantic model agrees with the key table."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from dockcfgd.engine_keys.key import FileRule, NoDefault, Shape
from dockcfgd.engine_keys.schema import engine_model
from dockcfgd.engine_keys.table import table


def test_takes_a_table_and_gives_it_back() -> None:
    engine = {
        "log-driver": "local",
        "log-opts": {"max-size": "10m"},
        "features": {"buildkit": True},
        "builder": {"gc": {"enabled": True, "policy": [{"all": True, "filter": ["a=b"]}]}},
        "runtimes": {"crun": {"path": "/usr/bin/crun"}},
        "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}},
    }
    model = engine_model().model_validate(engine)
    assert model.model_dump(by_alias=True, exclude_none=True) == engine


@pytest.mark.parametrize(
    "engine",
    [
        {"log-drivr": "local"},
        {"log_driver": "local"},
        {"debug": "true"},
        {"debug": 1},
        {"mtu": 1400.0},
        {"mtu": True},
        {"default-shm-size": 64},
        {"labels": "a=b"},
        {"log-opts": {"max-file": 3}},
        {"features": {"unheard": True}},
        {"default-ulimits": {"nofile": {"Name": "nofile"}}},
        {"default-init": "docker-init"},
    ],
)
def test_is_strict(engine: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        engine_model().model_validate(engine)


def test_has_every_key_that_some_engine_reads() -> None:
    for key in table().keys.values():
        if key.file is not FileRule.READ or isinstance(key.default, NoDefault):
            continue
        value = "1M" if key.shape is Shape.SIZE else key.default
        engine: object = value
        for name in reversed(key.path):
            engine = {name: engine}
        dumped = engine_model().model_validate(engine).model_dump(by_alias=True, exclude_none=True)
        assert dumped == engine, key.name


def test_is_made_once() -> None:
    assert engine_model() is engine_model()


def test_checking_and_proving_import_no_pydantic() -> None:
    code = (
        "import sys, dockcfgd.engine_keys.check as c, dockcfgd.engine_keys.proof;"
        "c.check({'debug': True}); sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
