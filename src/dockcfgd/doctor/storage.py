"""Storage drivers and their prerequisites, space, and what earlier drivers left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, note, unseen, warning
from dockcfgd.engine_keys.engines import storage_drivers
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.amounts import size, some
from dockcfgd.model.drivers import engine_name
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.rules.storage import (
    NO_UPPER_LAYER,
    driver_folder,
    planned_driver,
    prerequisites,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.doctor.case import Case, Leftover, Place
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.model.facts import Folder

__all__ = ["CHECKS", "CONTAINERD"]

_GIB = 1024**3
_LEAST, _LITTLE = 0.02, 0.10
_LEAST_BYTES, _LITTLE_BYTES = _GIB // 2, 10 * _GIB
_COPIES = {"vfs"}
CONTAINERD = "containerd's root"
_IMAGE_STORE = EngineVersion(24, 0)
_MOUNT_OPTIONS = {
    "noexec": "with vfs, btrfs and bind mounts no program of a container can be started",
    "nosuid": "with vfs, btrfs and in volumes su, sudo and ping do not work",
    "nodev": "device files of images cannot be used with vfs and btrfs",
}


def in_use(case: Case) -> Iterator[Finding]:
    """Name the driver in use and what it stands on."""
    if case.engine is None:
        return
    driver = engine_name(case.engine.driver)
    backing = case.engine.status("Backing Filesystem")
    store = case.engine.status("driver-type")
    words = [f"storage driver {driver}"]
    words += [f"on {backing}"] if backing else []
    words += ["of the containerd image store"] if store else []
    what = " ".join(words)
    if driver in _COPIES:
        why = "each layer and each container is a full copy: slow, and very large"
        remedy = 'storage-driver = "overlay2", where it can be used'
        yield warning(f"{what} is in use", why, remedy)
    else:
        yield fine(f"{what} is in use")


def drivers(case: Case) -> Iterator[Finding]:
    """Try each driver that this engine knows against kernel, filesystem and programs."""
    for trial in case.trials:
        driver = planned_driver(trial)
        seen = trial.facts.folders.get(driver_folder(trial))
        obstacles = [one for one in prerequisites(trial) if one.weight is not Weight.NOTED]
        if not obstacles:
            yield fine(f"{driver} could be used", _ground(case, seen))
            continue
        why = "; ".join(one.message for one in obstacles)
        remedy = "; ".join(one.hint for one in obstacles if one.hint)
        mine = case.engine is not None and case.engine.driver == driver
        named = planned_driver(case.present) == driver and case.engine is None
        if mine or named:
            yield error(f"{driver} is the driver, and cannot be used", why, remedy)
        else:
            yield note(f"{driver} cannot be used here", why, remedy)


def _ground(case: Case, folder: Folder | None) -> str:
    words = [f"kernel {case.kernel.release}"] if case.kernel.release else []
    if folder is not None and folder.filesystem:
        words.append(f"{case.data_root} on {folder.filesystem}")
        words += {True: ["d_type"], False: ["no d_type"], None: []}[folder.d_type]
    return ", ".join(words)


def image_store(case: Case) -> Iterator[Finding]:
    """Judge whether the containerd image store could be used, where the engine has it."""
    version = EngineVersion.parse_or_none(case.host.version)
    place = next((one for one in case.places if one.name == CONTAINERD), None)
    kernel = case.present.facts.filesystems
    if version is None or version < _IMAGE_STORE or place is None or place.folder is None:
        return
    ground = f"{place.path} on {place.folder.filesystem}"
    what = "the containerd image store cannot be used with overlayfs here"
    if kernel is not None and "overlay" not in kernel:
        yield note(what, "this kernel does not have the filesystem overlay")
    elif place.folder.filesystem in NO_UPPER_LAYER or place.folder.d_type is False:
        why = f"{ground}, which cannot hold its layers" + (
            ": it was made without d_type" if place.folder.d_type is False else ""
        )
        yield note(what, why, "put containerd's root on ext4 or xfs with d_type")
    else:
        yield fine("the containerd image store (overlayfs) could be used", ground)


def mounted(case: Case) -> Iterator[Finding]:
    """Judge how the filesystems that the engine writes to are mounted."""
    for place in case.places:
        options = place.folder.options if place.folder is not None else frozenset()
        if "ro" in options:
            what = f"{place.path} is on a read-only filesystem"
            remedy = "dmesg says why, if it was writable before; else mount it read-write"
            yield error(what, "the engine cannot write anything", remedy)
        for option, why in _MOUNT_OPTIONS.items():
            if option in options:
                what = f"{place.path} is mounted {option}"
                yield warning(what, why, f"take {option} out of /etc/fstab and mount it again")


def unmounted(case: Case) -> Iterator[Finding]:
    """Find mounts of containers that do not run."""
    root = case.data_root.rstrip("/")
    layers = [
        one.point
        for one in case.mounts
        if one.point.startswith(f"{root}/") and one.point.endswith("/merged")
    ]
    known = case.scenery.containers.values()
    running = sum(1 for one in known if one.state in {"running", "paused", "restarting"})
    if case.scenery.asked and len(layers) > running:
        count = some(running, "container")
        what = f"{some(len(layers), 'layer')} of containers mounted, {count} running"
        why = "what is mounted cannot be removed: device or resource busy"
        remedy = f"umount those below {root} that no container uses"
        yield warning(what, why, remedy)


def space(case: Case) -> Iterator[Finding]:
    """Judge free space and inodes of each place."""
    done: dict[int, str] = {}
    for place in case.places:
        if place.space is None:
            yield unseen(f"space of {place.path}", "it cannot be seen", root=case.root)
            continue
        if place.space.device in done:
            what = f"{place.name} {place.path} is on the filesystem of {done[place.space.device]}"
            yield fine(what)
            continue
        done[place.space.device] = place.path
        yield from _space(place)


def _space(place: Place) -> Iterator[Finding]:
    seen = place.space
    if seen is None or not seen.total_bytes:
        return
    part = seen.free_bytes / seen.total_bytes
    what = (
        f"{place.name} {place.path}: {size(seen.free_bytes)} of {size(seen.total_bytes)} free"
        f" ({part:.0%})"
    )
    remedy = "docker system df shows what uses it, docker system prune frees what nothing uses"
    if (part < _LEAST and seen.free_bytes < _LITTLE_BYTES) or seen.free_bytes < _LEAST_BYTES:
        why = "pulls, builds and writes of containers fail when it is full"
        yield error(what, why, remedy)
    elif part < _LITTLE and seen.free_bytes < _LITTLE_BYTES:
        yield warning(what, "it fills up soon", remedy)
    else:
        yield fine(what)
    yield from _inodes(place)


def _inodes(place: Place) -> Iterator[Finding]:
    seen = place.space
    if seen is None or not seen.total_inodes:
        return
    part = seen.free_inodes / seen.total_inodes
    what = f"{place.path}: {seen.free_inodes} of {seen.total_inodes} inodes free ({part:.0%})"
    why = "without inodes no file can be made, be there space or not"
    remedy = "docker system prune; layers with many small files use them up"
    if part < _LEAST:
        yield error(what, why, remedy)
    elif part < _LITTLE:
        yield warning(what, why, remedy)
    else:
        yield fine(what)


def leftovers(case: Case) -> Iterator[Finding]:
    """Tell what other drivers left, and what it would free."""
    if case.leftovers is None:
        why = f"{case.data_root} cannot be read"
        yield unseen("left-over driver folders", why, root=case.root)
        return
    for one in case.leftovers:
        yield _leftover(case, one)
    if not case.leftovers:
        yield fine("no other storage driver left data behind")


def _leftover(case: Case, left: Leftover) -> Finding:
    what = f"{left.driver} left {' and '.join(left.paths)}"
    if left.usage is not None:
        amount = size(left.usage.bytes)
        what += f": {amount}" if left.usage.complete else f": more than {amount}"
    why = "images and layers of a driver that is not in use"
    if left.containers:
        hidden = some(left.containers, "container")
        why += f"; {hidden} made with it, hidden now, would come back with it"
    known = storage_drivers(EngineVersion.parse_or_none(case.host.version))
    if left.driver in known and left.driver != "vfs" and not case.settings.get("storage-driver"):
        why += "; an engine with no storage-driver set may choose it at its next start"
    if left.driver == _kept(case):
        remedy = "dockcfgctl storage status tells of going back to it, dockcfgctl storage prune"
        return note(f"{what}, which dockcfgd keeps", why, f"{remedy} frees it")
    freed = " ".join(left.paths)
    remedy = f"when you are sure that you do not go back to it: rm -rf {freed}"
    return warning(what, why, remedy)


def _kept(case: Case) -> str:
    """Give the driver whose data dockcfgd keeps from before a change; empty for none."""
    kept = (case.dockcfgd.status or {}).get("kept")
    return str(kept.get("driver")) if isinstance(kept, dict) else ""


CHECKS = (in_use, drivers, image_store, mounted, unmounted, space, leftovers)
