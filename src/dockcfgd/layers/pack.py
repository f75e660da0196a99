"""Writes the archive of one writable layer into a named pipe; a program.

    python3 -I -S pack.py ROOT DRIVER CONTAINER CONFIG PIPE NAME [PLACE MANIFEST]

CONFIG is the file with the configuration of the container's image, NAME the one that the image in
the archive gets, if any. The archive is one for `docker load`, of an image with the layer on top,
whose IDs (model.images.MadeImage) go into the file PIPE.id, one a line; that stays empty, and so
does the pipe, where the container has changed nothing. What the archive leaves out
(layers.archive.left_out) is in the file PIPE.left, as JSON, before the archive begins. PLACE is
where the layer lies (Place.document, as JSON) and MANIFEST the file with the image's manifest,
where containerd has them. Nothing writes to the layer meanwhile. Owners are those that the
container sees, also in the data-root of an engine with userns-remap, whose name says who is root
there. Exit status 1, and the reason on standard error, where the layer cannot be read.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from dockcfgd.layers.archive import image_archive, left_out
from dockcfgd.layers.copying import has_changed
from dockcfgd.layers.place import Place, place_of
from dockcfgd.model.errors import DockcfgdError

__all__ = ["main"]

_AHEAD = 1 << 20
_REMAPPED = re.compile(r"(\d+)\.(\d+)")
_LEAST = 1 << 16


def main(arguments: list[str]) -> int:
    """Do what the arguments say."""
    root, driver, container, config, pipe, name, *given = arguments
    try:
        place = (
            Place.from_document(json.loads(given[0]))
            if given
            else place_of(root, driver, container)
        )
        names: tuple[str, ...] = ()
        with Path(pipe).open("wb", buffering=_AHEAD) as sink:
            if has_changed(place):
                Path(f"{pipe}.left").write_text(json.dumps(left_out(place)))
                documents = [json.loads(Path(one).read_bytes()) for one in (config, *given[1:])]
                below = documents[1] if given else None
                names = image_archive(
                    place,
                    sink,
                    config=documents[0],
                    manifest=below,
                    name=name,
                    root=root_user(root),
                )
        Path(f"{pipe}.id").write_text("\n".join(names))
    except (DockcfgdError, OSError, ValueError, KeyError) as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 -- this is its output
        return 1
    return 0


def root_user(root: str) -> tuple[int, int]:
    """Give the host's user and group that containers' root is, by the data-root's name.

    The engine gives the folder that it names so to that group, releases before 20.10.11 to root.
    Another folder may have such a name too, as of a version; what users are remapped to begins far
    above those (login.defs(5), SUB_UID_MIN).
    """
    remapped = _REMAPPED.fullmatch(Path(root).name)
    user, group = (int(remapped[1]), int(remapped[2])) if remapped else (0, 0)
    theirs = min(user, group) >= _LEAST or 0 < group == Path(root).stat().st_gid
    return (user, group) if theirs else (0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
