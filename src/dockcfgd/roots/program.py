"""Looks at, copies, renames and removes data-roots as a file tells it; a program.

    python3 -I -S program.py JOB.json

The job: {"do": WHAT, "source": PATH, "target": PATH, "name": TRANSACTION, "progress": FILE,
"shift": NUMBERS}, WHAT being survey, copy-live, copy-rest, discard, rename, rename-back, or
remove-left with the `path` and `moved_to` of what was left as the two. It ends with 0 and a last
line of JSON, for a survey what was seen, or with 1 and {"what": TEXT, "path": PATH, "why": TEXT,
"errno": NUMBER, "misfit": whether no retry helps}, not all of which need be there. FILE is replaced
now and then by {"done": BYTES, "total": BYTES}. It may be killed at any instant, and doing a job
again ends where doing it once does.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from dockcfgd.migration.renamed_root import rename_back, rename_root
from dockcfgd.model.errors import DockcfgdError, FileFailure
from dockcfgd.roots.copying import copy_live, copy_rest, discard_copy, remove_left
from dockcfgd.roots.mounts import below, mounts
from dockcfgd.roots.owners import Misfit
from dockcfgd.roots.survey import survey

__all__ = ["main"]

_BETWEEN = 0.5


class _Progress:
    """How far a copy is, in a file of its own."""

    def __init__(self, where: str) -> None:
        self._where = Path(where)
        self._said = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said < _BETWEEN:
            return
        self._said = now
        part = self._where.with_suffix(".part")
        with contextlib.suppress(OSError):
            part.write_text(json.dumps({"done": done, "total": total}))
            part.replace(self._where)


def main(path: str) -> int:
    """Do the job in the file `path`."""
    try:
        answer = _do(json.loads(Path(path).read_bytes()))
    except FileFailure as failure:
        answer = {
            "what": failure.what,
            "path": failure.path,
            "why": failure.why,
            "errno": failure.errno,
            "misfit": isinstance(failure, Misfit),
        }
    except (DockcfgdError, ValueError, KeyError) as error:
        answer = {"why": str(error) or repr(error)}
    except OSError as error:
        where = str(error.filename or "")
        answer = {"why": error.strerror or str(error), "path": where, "errno": error.errno}
    else:
        print(json.dumps(answer), flush=True)  # noqa: T201 -- this is its output
        return 0
    print(json.dumps(answer), flush=True)  # noqa: T201 -- this is its output
    return 1


def _do(job: dict[str, Any]) -> dict[str, Any]:
    source, target, name = str(job["source"]), str(job["target"]), str(job.get("name", ""))
    shift = [int(one) for one in job.get("shift", ())]
    # Two for each level of folders.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0)
    match job["do"]:
        case "survey":
            return survey(source, target, remapping=bool(job.get("shift")))
        case "copy-live":
            copy_live(source, target, name, progress=_Progress(str(job["progress"])), shift=shift)
        case "copy-rest":
            copy_rest(source, target, name, progress=_Progress(str(job["progress"])), shift=shift)
        case "discard":
            discard_copy(source, target, name)
        case "remove-left":
            remove_left(source, target)
        case "rename":
            _refuse_mounted(source)
            rename_root(source, target, name)
        case "rename-back":
            rename_back(source, target, name)
        case other:
            raise ValueError(f"no known job: {other}")
    return {}


def _refuse_mounted(source: str) -> None:
    left = below(source, mounts())
    if left:
        why = f"{left[0].point} is still mounted"
        raise FileFailure(what="move", path=source, errno=0, why=why)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
