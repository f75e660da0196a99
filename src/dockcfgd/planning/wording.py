"""The name that a step has in plans, reports and logs."""

from __future__ import annotations

from typing import assert_never

from dockcfgd.model import steps as do

__all__ = ["step_name"]


def step_name(step: do.Step) -> str:  # noqa: C901, PLR0911, PLR0912 -- one line a step
    """Say what a step does, in a few words."""
    match step:
        case do.WriteFile():
            return f"write {step.path}"
        case do.RemoveFile():
            return f"remove {step.path}"
        case do.ReloadUnits():
            return "let systemd read its units again"
        case do.NoteRunning():
            return "note which containers run"
        case do.NoteProbes():
            return "try what has to work again"
        case do.KeepDisposable():
            return "keep --rm containers"
        case do.ReloadEngine():
            return "reload the engine and await its word"
        case do.RestartEngine():
            return "restart the engine"
        case do.StopEngine():
            return "stop the engine"
        case do.StartEngine():
            return "start the engine"
        case do.ResumeContainers():
            return "start what ran before"
        case do.BackUpImages():
            # Where it is only looked at, what would be done, it has no name yet.
            place = f"{step.directory}/{step.backup}" if step.backup else ""
            return f"back up images to {place or f'a new folder in {step.directory}'}"
        case do.StageContainers():
            return "make a place for each container on the new driver"
        case do.CarryLayers():
            return f"copy what the containers have written to {step.target_driver}"
        case do.PutInPlace():
            return f"put what was made ready for {step.driver} into {step.root}"
        case do.RemoveStaging():
            return "remove what was needed to make ready"
        case do.CompareContainers():
            return "compare the containers with those of before"
        case do.BackUpLayers():
            return "back up what the containers had written"
        case do.BackUpPresent():
            return f"back up what is there now to {step.directory}/{step.backup}"
        case do.ForgetBackup():
            return "remove what there is of a backup that did not end"
        case do.ReturnStorage():
            return f"give the containers what {step.previous} had of them in {step.root}"
        case do.StartThen():
            return "start what ran on the driver before"
        case do.BackUpContainers():
            return "stop the containers and back them up"
        case do.SetAside():
            return f"set aside what {step.driver} left in {step.root}"
        case do.PutBack():
            return f"put back what {step.driver} had in {step.root}"
        case do.CopyRoot():
            return f"copy {step.source} to {step.target} while the engine serves"
        case do.CopyRootRest():
            return f"copy to {step.target} what has changed since"
        case do.DiscardCopy():
            return f"remove the copy in {step.target}"
        case do.RenameRoot():
            return f"rename {step.source} to {step.target}"
        case do.RenameRootBack():
            return f"rename {step.target} back to {step.source}"
        case do.TakeStock():
            return "note what the engine has"
        case do.CompareStock():
            return "compare what the engine has with what it had"
        case do.RestoreStorage():
            return "load images and make the containers anew"
        case do.ProveEngine():
            return "prove the running engine"
        case _:
            assert_never(step)
