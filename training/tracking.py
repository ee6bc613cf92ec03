"""Curves of a run in any tracker of accelerate, TensorBoard by default. Numbers only, never a picture of her."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from accelerate import Accelerator

from capture.issues import JsonObject

NONE = "none"
_PROJECT = "likeness"


class Tracker:
    """Where the curves of one run go."""

    def __init__(self, accelerator: Accelerator, name: str, settings: JsonObject) -> None:
        """Open it on an accelerator made with `log_with`. Raises ValueError when a tracker of that name is not there.

        Some trackers send what they are told to a server of theirs: they are told no name and shown no picture.
        """
        self.accelerator, self.open = accelerator, name != NONE
        if not self.open:
            return
        plain = {k: v for k, v in settings.items() if isinstance(v, bool | int | float | str)}
        accelerator.init_trackers(_PROJECT, config=plain)
        if accelerator.is_main_process and not any(t.name == name for t in accelerator.trackers):
            raise ValueError(f"tracker {name!r} is not installed; install its package, or set train.tracker to 'none'")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add points to the curves."""
        if self.open:
            self.accelerator.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self.open:
            self.accelerator.end_training()


def accelerator_for(device: str, tracker: str, folder: Path) -> Accelerator:
    """An accelerator for a device, with its tracker writing to `folder`. Raises ValueError for an unknown tracker."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    if tracker not in (NONE, *LOGGER_TYPE_TO_CLASS):
        known = ", ".join(sorted([NONE, *LOGGER_TYPE_TO_CLASS]))
        raise ValueError(f"tracker {tracker!r} is unknown; accelerate knows {known}")
    log_with = None if tracker == NONE else tracker
    if log_with:
        folder.mkdir(parents=True, exist_ok=True)
    return Accelerator(cpu=device == "cpu", log_with=log_with, project_dir=str(folder) if log_with else None)
