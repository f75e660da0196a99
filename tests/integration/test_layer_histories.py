"""Any history of a container's writes is carried over, whatever it is made of."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.layers import Place, copy_layer
from dockcfgd.layers.digest import describe_tree
from tests.support.layer_store import LayerStore, need_mounts

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
_NAMES = ("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "n", "n/a")
_TIME = 1_700_000_000_000_000_000

Step = tuple[str, str, str, int]
steps = st.tuples(
    st.sampled_from(
        ("write", "grow", "remove", "mkdir", "symlink", "link", "move", "mode", "owner", "times",
         "attribute", "fifo")
    ),
    st.sampled_from(_NAMES),
    st.sampled_from(_NAMES),
    st.integers(0, 3),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayerStore]:
    need_mounts()
    base = tmp_path_factory.mktemp("image") / "base"
    (base / "d/e").mkdir(parents=True)
    for name in ("a", "b", "d/a", "d/e/a"):
        (base / name).write_text(name)
    (base / "d/b").hardlink_to(base / "b")
    for path in (*sorted(base.rglob("*"), reverse=True), base):
        os.utime(path, ns=(_TIME + 10**18, _TIME))
    store = LayerStore(tmp_path_factory.mktemp("root"), base)
    yield store
    store.close()


def do(root: Path, step: Step) -> None:  # noqa: C901  # a table of what can be done
    """Do one thing; what cannot be done is no change."""
    kind, name, other, number = step
    path, second = root / name, root / other
    with contextlib.suppress(OSError, shutil.Error):
        match kind:
            case "write":
                # Nobody reads a FIFO: an open that waits would wait for good.
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
                with os.fdopen(os.open(path, flags, 0o644), "w") as file:
                    file.write(f"{name} {number}"[: 3 + number])
            case "grow":
                os.truncate(path, number * 5000)
            case "remove" if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            case "remove":
                path.unlink()
            case "mkdir":
                path.mkdir()
            case "symlink":
                path.symlink_to(other)
            case "link":
                path.hardlink_to(second)
            case "move":
                shutil.move(path, second)
            case "mode" if not path.is_symlink():
                path.chmod((0o644, 0o4755, 0o2770, 0o1777)[number])
            case "owner":
                os.chown(path, number, 1000 * number, follow_symlinks=False)
            case "times":
                # The access time alone is no change: whole trees have it changed by reading.
                at = (_TIME, _TIME + number * 10**9 + 1)
                os.utime(path, ns=at, follow_symlinks=False)
            case "attribute":
                key = "trusted.x" if number % 2 else "user.x"
                os.setxattr(path, key, bytes([number]), follow_symlinks=False)
            case "fifo":
                os.mknod(path, stat.S_IFIFO | 0o600)
            case _:
                pass


def described(store: LayerStore, place: Place) -> list[str]:
    with store.seen(place) as root:
        return list(describe_tree(str(root)))


@pytest.mark.timeout(900)
@settings(
    max_examples=400 if PROOF else 25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, max_size=20), first=st.sampled_from(("overlay2", "vfs")))
def test_any_history_goes_around(store: LayerStore, history: list[Step], first: str) -> None:
    source = store.make(first)
    with store.seen(source) as root:
        for step in history:
            do(root, step)
    wanted = described(store, source)
    for driver in itertools.islice(itertools.cycle(("vfs", "overlay2")), 2):
        target = store.make(driver)
        copy_layer(source, target)
        assert described(store, target) == wanted, driver
        copy_layer(source, target)
        assert described(store, target) == wanted, f"{driver} a second time"
        source = target


@pytest.mark.timeout(900)
@settings(
    max_examples=400 if PROOF else 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    history=st.lists(steps, min_size=1, max_size=15),
    more=st.lists(steps, max_size=10),
    cut=st.integers(0, 20),
)
def test_a_copy_that_was_cut_off_is_made_whole(
    store: LayerStore, history: list[Step], more: list[Step], cut: int
) -> None:
    """What a first copy left, whatever part of it, does not show after the second."""
    source, target = store.make("overlay2"), store.make("vfs")
    with store.seen(source) as root:
        for step in history:
            do(root, step)
    with contextlib.suppress(_Cut):
        copy_layer(source, target, progress=_Cutter(cut))
    copy_layer(source, target)
    assert described(store, target) == described(store, source)
    with store.seen(source) as root:
        for step in more:
            do(root, step)
    fresh = store.make("vfs")
    copy_layer(source, fresh)
    assert described(store, fresh) == described(store, source)


class _Cut(Exception):
    pass


class _Cutter:
    """Ends a copy after some pieces of content."""

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, _done: int, _total: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Cut
