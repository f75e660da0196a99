"""What no way back undoes is told in the plan, all of it, and each thing once."""

from __future__ import annotations

import pytest

from dockcfgd.model import steps as do
from dockcfgd.model.plan import Disturbed
from dockcfgd.planning.irreversible import irreversible

_RESTORE = do.RestoreStorage("T1", "/backups")
_KEEP = do.KeepDisposable("/kept")


# What docs/storage-migration.md says of containers that are made anew, and of those with --rm too.
_OF_BOTH = (
    "ID",
    "creation time",
    "exit code",
    "health log",
    "restart count",
    "logs",
    "working directory",
    "kernel lacks",
    "filled in",
    "another image",
    "unnamed volume",
    "hostname",
)
_OF_ALL = ("created instead of exited", "restart policy always", "by digest", "build cache")


@pytest.mark.parametrize("word", [*_OF_BOTH, *_OF_ALL])
def test_all_that_differs_of_containers_made_anew_is_told(word: str) -> None:
    told = irreversible((_RESTORE,), (), Disturbed(recreated=("a", "b", "c")))
    assert word in "\n".join(told)


@pytest.mark.parametrize("word", _OF_BOTH)
def test_all_that_differs_of_those_with_rm_is_told(word: str) -> None:
    told = irreversible((_KEEP,), (), Disturbed(recreated=("job", "task")))
    assert word in "\n".join(told)
    assert "job, task" in "\n".join(told)


@pytest.mark.parametrize("step", [_RESTORE, _KEEP])
def test_it_takes_no_more_room_for_many_containers(step: do.Step) -> None:
    one = irreversible((step,), (), Disturbed(recreated=("a",)))
    many = irreversible((step,), (), Disturbed(recreated=tuple("abcdefgh")))
    assert len(many) == len(one)
    assert len(set(many)) == len(many)
    assert "\n".join(many).count("health log") == 1


def test_containers_moved_in_place_are_told_nothing_of_that() -> None:
    carry = do.CarryLayers("T1", "/backups", "/var/lib/docker", "overlay2", "vfs", "/staging")
    assert irreversible((carry,), (), Disturbed()) == ("the build cache is not moved",)


@pytest.mark.parametrize("drivers", [("overlay2", "overlayfs"), ("overlayfs", "overlay2")])
def test_another_image_store_has_other_ids_and_compose_goes_by_them(
    drivers: tuple[str, str],
) -> None:
    carry = do.CarryLayers("T1", "/backups", "/var/lib/docker", *drivers, "/staging")
    told = "\n".join(irreversible((carry,), (), Disturbed()))
    assert "docker compose up may create a project's containers again" in told
