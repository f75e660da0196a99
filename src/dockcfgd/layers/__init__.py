"""Containers' writable layers on disk: found, read from one storage driver, written into another.

    source = place_of("/var/lib/docker", "overlay2", container)
    target = place_of("/var/lib/docker/staging", "vfs", made_for_it)
    copy_layer(source, target)

Needs the standard library alone, as it runs as a program of its own where dockcfgd's sandbox does
not reach (program.py).
"""

from dockcfgd.layers.copying import Copied, copy_layer, has_changed, measure_layer, reset_layer
from dockcfgd.layers.errors import LayerRefused, UnknownFormat
from dockcfgd.layers.place import DRIVERS, Place, place_of

__all__ = [
    "DRIVERS",
    "Copied",
    "LayerRefused",
    "Place",
    "UnknownFormat",
    "copy_layer",
    "has_changed",
    "measure_layer",
    "place_of",
    "reset_layer",
]
