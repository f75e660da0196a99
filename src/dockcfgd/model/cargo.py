"""What is carried from one storage driver to another, and what of it goes ahead."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cargo", "FirstCopy", "StandIn"]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A container of the engine, and the one of the staging engine that has its place."""

    container: str
    name: str
    stand_in: str


@dataclass(frozen=True, slots=True)
class Cargo:
    """The writable layers of `containers`, from `driver` in `root` to `target` in `staging`.

    `images` are the IDs of all images that `staging` has.
    """

    root: str
    driver: str
    staging: str
    target: str
    containers: tuple[StandIn, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirstCopy:
    """What is copied ahead of a `Cargo`: the same places, and whatever containers there are."""

    root: str
    driver: str
    staging: str
    target: str
