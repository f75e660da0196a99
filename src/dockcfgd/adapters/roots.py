"""Work on data-roots, by a program in a unit of its own: this daemon may not write there."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.adapters.own_units import ROOT, UNHURRIED, end_leftover
from dockcfgd.model.errors import FileFailure, StepFailed, SystemdFailure
from dockcfgd.model.roots import RootSurvey
from dockcfgd.roots import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dockcfgd.adapters.systemd import SystemdBus
    from dockcfgd.model.roots import LeftBehind, RootMove
    from dockcfgd.ports import Clock, Progressing

__all__ = ["UnitRoots"]

_SURVEY = "dockcfgd-root-survey.service"
_SECONDS, _SURVEY_SECONDS = 7 * 24 * 3600.0, 120.0
_UNHURRIED = frozenset({"copy-live", "discard", "remove-left"})


class UnitRoots:
    """ports.Roots by systemd's transient units. `runtime_dir` is only root's to write to."""

    def __init__(self, systemd: SystemdBus, clock: Clock, runtime_dir: str) -> None:
        self._systemd, self._clock, self._folder = systemd, clock, Path(runtime_dir)

    def survey(self, move: RootMove) -> RootSurvey:
        """Look at both places; nothing is written."""
        job = {"do": "survey", **asdict(move)}
        seen = self._run(job, unit=_SURVEY, timeout=_SURVEY_SECONDS)
        given: dict[str, Any] = {
            key: tuple(one) if isinstance(one, list) else one for key, one in seen.items()
        }
        return RootSurvey(**given)

    def copy_live(self, move: RootMove, *, progress: Progressing) -> None:
        """Copy while the engine serves."""
        self._copy("copy-live", move, progress)

    def copy_rest(self, move: RootMove, *, progress: Progressing) -> None:
        """Copy what has changed since."""
        self._copy("copy-rest", move, progress)

    def discard(self, move: RootMove) -> None:
        """Remove a copy that was begun for this change."""
        self._alone({"do": "discard", **asdict(move)})

    def rename(self, move: RootMove) -> None:
        """Give the folder its other path."""
        self._alone({"do": "rename", **asdict(move)})

    def rename_back(self, move: RootMove) -> None:
        """Give the folder the path that it had."""
        self._alone({"do": "rename-back", **asdict(move)})

    def remove_left(self, left: LeftBehind, *, progress: Progressing) -> None:
        """Remove a data-root that was left."""

        def attend() -> None:
            progress(item=left.path, done=0, total=1, unit="folders")

        job = {"do": "remove-left", "source": left.path, "target": left.moved_to}
        self._alone(job, attend=attend)

    def _copy(self, what: str, move: RootMove, progress: Progressing) -> None:
        where = self._folder / "root-progress.json"
        where.unlink(missing_ok=True)

        done, total = 0, 0

        def attend() -> None:
            nonlocal done, total
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                told = json.loads(where.read_bytes())
                done, total = int(told["done"]), int(told["total"])
            progress(item=move.target, done=done, total=total, unit="bytes")

        try:
            self._alone({"do": what, "progress": str(where), **asdict(move)}, attend=attend)
        finally:
            where.unlink(missing_ok=True)

    def _alone(self, job: dict[str, Any], *, attend: Callable[[], None] | None = None) -> None:
        end_leftover(self._systemd, ROOT)
        low = UNHURRIED if job["do"] in _UNHURRIED else ()
        self._run(job, unit=ROOT, timeout=_SECONDS, attend=attend, properties=low)

    def _run(
        self,
        job: dict[str, Any],
        *,
        unit: str,
        timeout: float,
        attend: Callable[[], None] | None = None,
        properties: Sequence[tuple[str, Any]] = (),
    ) -> dict[str, Any]:
        asked = self._folder / f"{unit}.json"
        output = self._folder / f"{unit}.txt"
        command = [sys.executable, "-I", "-S", str(program.__file__), str(asked)]
        try:
            descriptor = os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w") as file:
                file.write(json.dumps(job))
            end = self._systemd.run_program(
                unit,
                command,
                what="the work on data-root",
                timeout=timeout,
                output=str(output),
                attend=attend,
                properties=properties,
            )
            text = output.read_text("utf-8", "replace") if output.exists() else ""
        except OSError as error:
            why = error.strerror or str(error)
            where = error.filename or str(asked)
            raise FileFailure(what="use", path=where, errno=error.errno or 0, why=why) from error
        finally:
            asked.unlink(missing_ok=True)
            output.unlink(missing_ok=True)
        last = text.strip().rpartition("\n")[2]
        answer = _object(last)
        if end.result == "success":
            return answer
        if answer.get("misfit"):
            raise StepFailed("cannot {what} {path}: {why}".format_map(answer))
        if answer.get("why"):
            raise FileFailure(
                what=str(answer.get("what", "use")),
                path=str(answer.get("path") or job["source"]),
                errno=int(answer.get("errno") or 0),
                why=str(answer["why"]),
            )
        raise SystemdFailure(what="work on data-root", name=end.result, why=last or end.result)


def _object(line: str) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
