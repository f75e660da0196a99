"""Where everything lies. The defaults are the contract; the environment may say otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Absolute paths, and the address of the bus (empty: the system's own).

    A file in a later one of `config_dirs` hides an earlier one's of the same name; the last is the
    operator's, where `apply FILE` puts files.
    """

    config_file: str = "/etc/dockcfgd/conf.toml"
    config_dirs: tuple[str, ...] = (
        "/usr/lib/dockcfgd/conf.d",
        "/run/dockcfgd/conf.d",
        "/etc/dockcfgd/conf.d",
    )
    runtime_dir: str = "/run/dockcfgd"
    state_dir: str = "/var/lib/dockcfgd"
    docker_socket: str = "/run/docker.sock"
    daemon_json: str = "/etc/docker/daemon.json"
    drop_in_dir: str = "/etc/systemd/system/docker.service.d"
    bus_address: str = ""

    @property
    def status_json(self) -> str:
        """The published status document."""
        return f"{self.runtime_dir}/status.json"

    @property
    def status_text(self) -> str:
        """The published status as a person reads it."""
        return f"{self.runtime_dir}/status.txt"

    @property
    def drop_in(self) -> str:
        """The managed drop-in, behind whatever `systemctl edit` makes."""
        return f"{self.drop_in_dir}/zz-dockcfgd.conf"

    @property
    def state_file(self) -> str:
        """The SQLite file with journal, history and last status."""
        return f"{self.state_dir}/state.db"

    @property
    def undo_dir(self) -> str:
        """The way back of the open transaction as plain files."""
        return f"{self.state_dir}/undo"

    @property
    def left_dir(self) -> str:
        """What is known of data-roots that were moved from and are kept."""
        return f"{self.state_dir}/left"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Give the settings, each replaced by `DOCKCFGD_<NAME>` where that is set.

        The folders of `DOCKCFGD_CONFIG_DIRS` are separated by colons.
        """
        given = os.environ if environment is None else environment
        default = cls()
        folders = given.get("DOCKCFGD_CONFIG_DIRS")
        return cls(
            config_file=given.get("DOCKCFGD_CONFIG_FILE", default.config_file),
            config_dirs=default.config_dirs
            if folders is None
            else tuple(filter(None, folders.split(":"))),
            runtime_dir=given.get("DOCKCFGD_RUNTIME_DIR", default.runtime_dir),
            state_dir=given.get("DOCKCFGD_STATE_DIR", default.state_dir),
            docker_socket=given.get("DOCKCFGD_DOCKER_SOCKET", default.docker_socket),
            daemon_json=given.get("DOCKCFGD_DAEMON_JSON", default.daemon_json),
            drop_in_dir=given.get("DOCKCFGD_DROP_IN_DIR", default.drop_in_dir),
            bus_address=given.get("DOCKCFGD_BUS_ADDRESS", default.bus_address),
        )
