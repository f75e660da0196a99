"""A program that copies writable layers as a file tells it and reports in lines of JSON.

    python3 -I -S .../dockcfgd/layers/program.py JOB.json

The job: {"parallel": 3, "tasks": [{"item": NAME, "do": "copy", "source": PLACE, "target": PLACE},
{"item": NAME, "do": "reset", "target": PLACE}, {"item": NAME, "do": "measure", "source": PLACE}]},
a PLACE as Place.document gives it. It says, one object a line:

    {"item": NAME, "done": BYTES, "total": BYTES}           while a copy goes on
    {"item": NAME, "files": COUNT, "bytes": BYTES}          once for each task that is done
    {"error": {"item": NAME, "kind": KIND, "message": TEXT}}    KIND is the class of the error
    {"finished": true}                                      last, if all tasks are done

and exits 0 if it has finished, else 1. After an error no further task is begun. Killed, it leaves
what the same job makes whole again.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from dockcfgd.layers.copying import Copied, copy_layer, measure_layer, reset_layer
from dockcfgd.layers.place import Place
from dockcfgd.model.errors import DockcfgdError

__all__ = ["main"]

_BETWEEN = 0.25


class _Report:
    """Lines on standard output, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, document: Mapping[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()


class _Progress:
    """How far one copy is, said now and then."""

    def __init__(self, report: _Report, item: str) -> None:
        self._report = report
        self._item = item
        self._said = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said < _BETWEEN and done < total:
            return
        self._said = now
        self._report.say({"item": self._item, "done": done, "total": total})


class _Work:
    """The tasks of a job, until one fails."""

    def __init__(self, report: _Report) -> None:
        self._report = report
        self.failed = threading.Event()

    def run(self, task: Mapping[str, Any]) -> None:
        if self.failed.is_set():
            return
        item = str(task.get("item"))
        try:
            done = self._do(item, task)
        except (DockcfgdError, OSError, LookupError, TypeError, ValueError) as error:
            self.failed.set()
            self._report.say({"error": _told(item, error)})
        else:
            self._report.say({"item": item, "files": done.files, "bytes": done.bytes})

    def _do(self, item: str, task: Mapping[str, Any]) -> Copied:
        match task["do"]:
            case "copy":
                source, target = _place(task, "source"), _place(task, "target")
                return copy_layer(source, target, progress=_Progress(self._report, item))
            case "reset":
                reset_layer(_place(task, "target"))
                return Copied(0, 0)
            case "measure":
                return measure_layer(_place(task, "source"))
            case other:
                raise ValueError(f"no known task: {other}")


def main(path: str) -> int:
    """Do the job in the file `path` and return the exit status."""
    report = _Report()
    try:
        with open(path, encoding="utf-8") as file:
            job = json.load(file)
        parallel, tasks = int(job.get("parallel", 2)), list(job["tasks"])
    except (OSError, LookupError, TypeError, ValueError) as error:
        report.say({"error": _told("", error)})
        return 1
    work = _Work(report)
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        for _ in pool.map(work.run, tasks):
            pass
    if work.failed.is_set():
        return 1
    report.say({"finished": True})
    return 0


def _place(task: Mapping[str, Any], key: str) -> Place:
    return Place.from_document(task[key])


def _told(item: str, error: Exception) -> dict[str, str]:
    return {"item": item, "kind": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
