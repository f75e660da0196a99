"""Storage drivers: known to this engine, possible on this host, and their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.engines import (
    automatic_storage_drivers,
    removed_storage_drivers,
    storage_drivers,
    storage_options,
)
from dockcfgd.engine_keys.sizes import read_size
from dockcfgd.model.facts import Program
from dockcfgd.planning.rules.breach import misleads, refuse
from dockcfgd.planning.rules.image_store import Store, is_only_snapshotter, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.facts import Folder
    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["NO_UPPER_LAYER", "RULES", "devices", "driver_folder", "needs_proof", "planned_driver"]

_KEY = "storage-driver"
_DEVICE_MAPPER = "/dev/mapper/control"
_DEVICES = {
    "fuse-overlayfs": "/dev/fuse",
    "zfs": "/dev/zfs",
    "devicemapper": _DEVICE_MAPPER,
}
# An overlay cannot have its upper layer there.
NO_UPPER_LAYER = {"overlay", "ecryptfs", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "9p"}
_KERNEL_MODULES = {"overlay2": "overlay", "overlay": "overlay", "btrfs": "btrfs", "aufs": "aufs"}
_SIZES = {"overlay2.size", "size", "btrfs.min_space", "dm.basesize"}
_SWITCH = {"1", "t", "true", "0", "f", "false"}
_PROJECT_QUOTA = {"pquota", "prjquota"}


def planned_driver(scene: Scene) -> str:
    """Give the graph driver that is named or surely chosen; empty where neither is known."""
    if store_of(scene) is not Store.GRAPH_DRIVERS:
        return ""
    named = scene.environment.get("DOCKER_DRIVER") or scene.text(_KEY)
    if named:
        return named
    if len(scene.prior_drivers) == 1:
        return scene.prior_drivers[0]
    return ""


def driver_folder(scene: Scene) -> str:
    """Give the folder on whose filesystem the driver is tried."""
    return f"{scene.data_root}/{planned_driver(scene)}"


def needs_proof(scene: Scene) -> bool:
    """Whether the driver must be proven possible: it is not what runs now on this data-root."""
    engine, driver = scene.engine, planned_driver(scene)
    if engine is None or engine.driver != driver:
        return bool(driver)
    return scene.data_root.rstrip("/") != engine.root.rstrip("/") and not scene.text("userns-remap")


def devices(driver: str) -> frozenset[str]:
    """Give the devices that a driver opens."""
    return frozenset({_DEVICES[driver]} if driver in _DEVICES else ())


def known(scene: Scene) -> Iterator[Breach]:
    """Refuse a driver that this build of the engine does not have."""
    driver = planned_driver(scene)
    there = storage_drivers(scene.version, build=scene.build)
    if not driver or driver in there or is_only_snapshotter(scene, driver):
        return
    if driver in removed_storage_drivers(scene.version):
        why = f"this engine no longer has the storage driver {driver}"
    elif driver in storage_drivers(scene.version):
        why = f"this build of the engine ({scene.build}) was made without the driver {driver}"
    else:
        why = f"this engine has no storage driver {driver}"
    yield refuse(_KEY, why, f"it has {', '.join(there)}", also=("features",))


def several_with_data(scene: Scene) -> Iterator[Breach]:
    """Refuse to leave the choice to an engine that finds data of several drivers."""
    named = scene.environment.get("DOCKER_DRIVER") or scene.text(_KEY)
    if named or len(scene.prior_drivers) < 2 or store_of(scene) is not Store.GRAPH_DRIVERS:  # noqa: PLR2004
        return
    drivers = ", ".join(scene.prior_drivers)
    why = f"{scene.data_root} holds data of several drivers ({drivers}), and none is chosen"
    # One of containerd's store is none of these.
    in_use = scene.engine.driver if scene.engine else ""
    choice = in_use if in_use in scene.prior_drivers else scene.prior_drivers[0]
    yield refuse(_KEY, why, f'set storage-driver, such as "{choice}"', also=("data-root",))


def environment(scene: Scene) -> Iterator[Breach]:
    """Refuse a driver that the environment overrules without a word."""
    forced, named = scene.environment.get("DOCKER_DRIVER", ""), scene.text(_KEY)
    if forced and named and forced != named:
        place = scene.assigned_at.get("DOCKER_DRIVER", "").removesuffix(":0") or "docker.service"
        why = f"DOCKER_DRIVER={forced} in the engine's environment ({place}) beats daemon.json"
        yield misleads(_KEY, why, f"take it out of {place}")


def prerequisites(scene: Scene) -> Iterator[Breach]:
    """Refuse a driver that kernel, filesystem or programs of this host do not allow."""
    driver = planned_driver(scene)
    if not needs_proof(scene) or driver not in storage_drivers(scene.version, build=scene.build):
        return
    module = _KERNEL_MODULES.get(driver)
    kernel = scene.facts.filesystems
    if module and kernel is not None and module not in kernel:
        why = f"{driver} needs the filesystem {module}, which this kernel does not have"
        kernel_with_it = "apt install linux-image-$(dpkg --print-architecture)"
        hint = f"boot a kernel that has it ({kernel_with_it}), or use another driver, such as vfs"
        yield refuse(_KEY, why, hint, also=("data-root",))
        return
    folder = scene.facts.folders.get(driver_folder(scene))
    if folder is not None and not folder.blocked_by:
        yield from _filesystem(scene, driver, folder)
    match driver:
        case "fuse-overlayfs":
            yield from _fuse(scene)
        case "zfs":
            yield from _zfs(scene)
        case "devicemapper" if scene.facts.devices.get(_DEVICE_MAPPER) is False:
            yield refuse(_KEY, f"{_DEVICE_MAPPER} cannot be opened", "modprobe dm_mod")
        case _:
            pass


def _filesystem(scene: Scene, driver: str, folder: Folder) -> Iterator[Breach]:
    root, kind = scene.data_root, folder.filesystem
    also = ("data-root",)
    options = {option.partition("=")[0] for option in scene.texts("storage-opts")}
    if driver == "btrfs" and kind and kind != "btrfs":
        yield _wrong_filesystem(driver, root, kind)
    if driver == "zfs" and kind and kind != "zfs" and "zfs.fsname" not in options:
        yield _wrong_filesystem(driver, root, kind)
    if driver in {"overlay2", "overlay"} and kind in NO_UPPER_LAYER:
        why = f"{driver} cannot keep its layers on {kind}, and {root} is on {kind}"
        hint = (
            "set data-root to a folder on ext4 or xfs first (mkfs.ext4 DEVICE; mount DEVICE"
            " FOLDER), or use fuse-overlayfs or vfs"
        )
        yield refuse(_KEY, why, hint, also=also)
    elif driver in {"overlay2", "overlay"} and folder.d_type is False:
        why = f"{root} is on {kind} that was made without d_type, which {driver} needs"
        hint = (
            "unmount it and give it d_type (ext4: tune2fs -O filetype DEVICE; e2fsck -f DEVICE,"
            " XFS only anew: mkfs.xfs -n ftype=1 DEVICE), or set data-root to another one"
        )
        yield refuse(_KEY, why, hint, also=also)


def _wrong_filesystem(driver: str, root: str, kind: str) -> Breach:
    why = f"{driver} needs {root} on {driver}; it is on {kind}"
    make = "zfs create -o mountpoint=FOLDER POOL/docker"
    if driver == "btrfs":
        make = "mkfs.btrfs DEVICE; mount DEVICE FOLDER"
    hint = f"{make}; and set data-root to FOLDER first"
    return refuse(_KEY, why, hint, also=("data-root",))


def _fuse(scene: Scene) -> Iterator[Breach]:
    programs, devices = scene.facts.programs, scene.facts.devices
    if programs.get("fuse-overlayfs") is Program.MISSING:
        why = "the program fuse-overlayfs is not installed"
        yield refuse(_KEY, why, "apt install fuse-overlayfs")
    elif {programs.get("fusermount3"), programs.get("fusermount")} == {Program.MISSING}:
        why = "neither fusermount3 nor fusermount is installed, which fuse-overlayfs needs"
        yield refuse(_KEY, why, "apt install fuse3")
    if devices.get("/dev/fuse") is False:
        why = "/dev/fuse cannot be opened: the engine would start, and no container with it"
        yield misleads(_KEY, why, "modprobe fuse, or let this machine see the device")


def _zfs(scene: Scene) -> Iterator[Breach]:
    if scene.facts.programs.get("zfs") is Program.MISSING:
        yield refuse(_KEY, "the program zfs is not installed", "apt install zfsutils-linux")
    if scene.facts.devices.get("/dev/zfs") is False:
        yield refuse(_KEY, "/dev/zfs cannot be opened", "modprobe zfs")


def options(scene: Scene) -> Iterator[Breach]:
    """Refuse options that the driver does not have, or with values that it cannot read."""
    settings = scene.texts("storage-opts")
    if store_of(scene) is Store.CONTAINERD or not settings:
        return
    driver = planned_driver(scene)
    if not driver:
        yield from _options_of_nobody(scene, settings)
        return
    if driver not in storage_drivers(scene.version, build=scene.build):
        return
    accepted = storage_options(driver, scene.version)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            yield _option(f"{setting} has no value", "write it as name=value")
        elif name.lower() not in accepted:
            hint = f"it has {', '.join(accepted)}" if accepted else "it has none"
            yield _option(f"the storage driver {driver} has no option {name}", hint)
        else:
            yield from _option_value(scene, driver, name.lower(), value)


def _options_of_nobody(scene: Scene, settings: tuple[str, ...]) -> Iterator[Breach]:
    """Judge options of a driver that the engine is yet to choose: of each it may choose."""
    drivers = automatic_storage_drivers(scene.version)
    every = {name for driver in drivers for name in storage_options(driver, scene.version)}
    for setting in settings:
        name = setting.partition("=")[0].lower()
        if name not in every:
            yield _option(
                f"no storage driver has an option {name}", f"there are {', '.join(every)}"
            )
    if any(setting.partition("=")[0].lower() in every for setting in settings):
        why = "no storage driver is named that these options are for"
        yield _option(why, "set storage-driver too")


def _option(why: str, hint: str) -> Breach:
    return refuse("storage-opts", why, hint, also=(_KEY,))


def _option_value(scene: Scene, driver: str, name: str, value: str) -> Iterator[Breach]:
    if name == "vfs.xattrs":
        if value != "i_want_broken_containers":
            why = "the engine takes no vfs.xattrs but i_want_broken_containers"
            yield _option(why, "leave it out")
        return
    if name == "overlay2.override_kernel_check" and value.lower() not in _SWITCH:
        yield _option(f"the value of {name} is no switch", f"write it as {name}=true")
    if name not in _SIZES:
        return
    try:
        size = read_size(value)
    except ValueError:
        yield _option(f"the value of {name} is no size", f"write it as {name}=10G")
        return
    folder = scene.facts.folders.get(driver_folder(scene))
    if driver in {"overlay2", "vfs"} and size and folder is not None:
        yield from _quota(scene, name, folder)


def _quota(scene: Scene, name: str, folder: Folder) -> Iterator[Breach]:
    hint = "leave it out, or put data-root on XFS that is mounted with pquota"
    if folder.filesystem and folder.filesystem != "xfs":
        why = f"{name} needs XFS with project quotas; {scene.data_root} is on {folder.filesystem}"
        yield _option(why, hint)
    elif folder.filesystem and not folder.options & _PROJECT_QUOTA:
        why = f"{name} needs XFS with project quotas; that of {scene.data_root} has none"
        yield _option(why, hint)


RULES = (known, several_with_data, environment, prerequisites, options)
