"""Whole simulated shoots with one fault each, through ingest: exactly that fault is named, in the right place.

Before a painted canvas, because paper looks the same from everywhere and no camera could be told from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from capture.ingest import ingest
from capture.issues import Report
from capture.stage.faults import FAULTS, Fault
from capture.stage.shoot import ShootPlan, ShootTruth, write_shoot
from capture.vault import Vault


@dataclass(frozen=True)
class Case:
    """A shoot and what goes wrong in it."""

    fault: str | None
    seed: int
    cameras: int = 3
    lights: int = 3
    takes: int = 2
    size: int = 256  # pixels; focus is judged soundly from 512 on

    def plan(self) -> ShootPlan:
        """Small pictures; clips, of three seconds as a walk past the cameras takes, only where the fault is in them."""
        clips = self.fault in ("late-camera", "motion-blur")
        return ShootPlan(
            person_seed=self.seed + 1, seed=self.seed, cameras=self.cameras, lights=self.lights, takes=self.takes,
            image_size=self.size, board_shots=0, chart=False, ball=False, clips=int(clips), clip_frames=80,
            backdrop="canvas",
        )  # fmt: skip


QUICK = [
    Case(None, 11),
    Case("wrong-light", 12),
    Case("moved-camera", 13, lights=1),
    Case("swapped-cameras", 14, lights=1),
    Case("mirrored-photo", 15, lights=1),
    Case("second-person", 16),
    Case("second-person-take", 17, lights=1),
    Case("middle-move", 18, lights=1, takes=3),
    Case("camera-ring", 19, lights=1, takes=1),
]
TWENTY = [
    *(Case(name, 20 + k, cameras=6, lights=4, takes=2 + (name == "middle-move"), size=512)
      for k, name in enumerate(FAULTS)),
    *(Case(name, 40 + k, cameras=4, lights=3, takes=3, size=512) for k, name in enumerate(FAULTS)),
    Case("wrong-light", 60, cameras=6, lights=4, takes=1, size=512),
    Case("second-person", 61, cameras=5, lights=3, takes=1, size=512),
    Case("second-person-take", 62, cameras=5, lights=3, takes=1, size=512),
    Case("camera-ring", 63, cameras=5, lights=3, takes=1, size=512),
]  # fmt: skip
CLEAN = [Case(None, 70, 6, 4, 2, 512), Case(None, 71, 4, 3, 3, 512), Case(None, 72, 5, 3, 1, 512)]


def shoot_and_ingest(case: Case, folder: Path) -> tuple[ShootTruth, Report]:
    truth = write_shoot(folder / "card", case.plan(), fault=case.fault)
    _, report = ingest(truth.folder, Vault(folder / "vault"))
    return truth, report


def expected(fault: Fault) -> set[tuple[str, str]]:
    """Code and place of each issue that a fault is to raise."""
    light, of_camera = f"stills/{fault.take}/{fault.light}", f"stills/{fault.take}/*/{fault.camera}"
    pair = " and ".join(sorted((fault.camera, fault.other_camera)))
    *first, last = sorted(fault.ring) or [""]
    ring = f"{', '.join(first)} and {last}"
    table: dict[str, list[tuple[str, str]]] = {
        "": [],
        "missing-frame": [("GRID_FRAME_MISSING", stem) for stem in fault.affected],
        "truncated-file": [("FILE_TRUNCATED", f"{stem}.jpg") for stem in fault.affected],
        "soft-focus": [("FOCUS_SOFT", stem) for stem in fault.affected],
        "wrong-light": [("LIGHT_MISMATCH", light)],
        "moved-camera": [("CAMERA_MOVED", of_camera)],
        "late-camera": [("CAMERA_LATE", stem) for stem in fault.affected],
        "swapped-cameras": [("CAMERA_SWAPPED", f"cameras {pair}")],
        "mirrored-photo": [("PHOTO_MIRRORED", of_camera)],
        "second-person": [("SUBJECT_EXTRA", light)],
        "second-person-take": [("SUBJECT_EXTRA", f"stills/{fault.take}")],
        "middle-move": [("CAMERA_MOVED", of_camera)],
        "camera-ring": [("CAMERA_SWAPPED", f"cameras {ring}")],
        "motion-blur": [("MOTION_BLUR", stem) for stem in fault.affected],
    }
    return set(table[fault.name])


def check(case: Case, folder: Path) -> None:
    truth, report = shoot_and_ingest(case, folder)
    named = [(i.code, i.where) for i in report.issues]
    assert len(named) == len(set(named)), "said twice"
    assert set(named) == expected(truth.fault), [(i.code, i.where, i.found) for i in report.issues]
    if case.fault == "wrong-light":
        (item,) = (i for i in report.issues if i.code == "LIGHT_MISMATCH")
        assert f"looks like {truth.fault.other_light} " in item.found


@pytest.mark.parametrize("case", QUICK, ids=lambda c: f"{c.fault}-{c.seed}")
def test_a_small_shoot(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*TWENTY, *CLEAN], ids=lambda c: f"{c.fault}-{c.seed}")
def test_twenty_shoots_and_three_clean_ones(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_every_fault_of_the_stage_is_in_the_table() -> None:
    assert {case.fault for case in TWENTY} == set(FAULTS)
    for name in FAULTS:
        assert expected(Fault(name, "cam01", "cam02", "take1", "top", "front", ("stills/take1/top/cam01",)))
