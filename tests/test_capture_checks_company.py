"""Somebody beside her for a whole take: her outline and a second head; her hair, arms, skirt and steps are her own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import session_toml
from numpy.typing import NDArray

from capture.checks.company import count_heads, has_grown, thickness, usual
from capture.checks.subject import check_subject
from capture.images import Picture, encode_jpeg
from capture.issues import Issue
from capture.session import Shot, ShotKind, read_session
from capture.stage.lens import StageCamera, StageLight
from capture.stage.outfit import OUTFITS
from capture.stage.person import make_person
from capture.stage.render import encoded, render_empty, render_linear
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Limb, Scene, Stance
from capture.thumbnails import Thumbnails
from capture.validate import Context

Bool = NDArray[np.bool_]
SIZE = 96  # pixels for a metre: her head is 0.2 m wide, her trunk 0.32 m


@dataclass(frozen=True)
class Figure:
    """Who is drawn, in pixels from the left."""

    x: int = 48
    hair: int = 0  # pixels around the head
    arms_up: bool = False
    arm: int = 0  # pixels that an arm reaches to the side
    skirt: int = 0  # half width at the lower border
    tall: int = 0  # pixels


def outline(*figures: Figure) -> Bool:
    """Where they are, (96, 96), cut below the hips."""
    canvas = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for f in figures:
        top = 24 - f.tall
        cv2.ellipse(canvas, (f.x, top), (9 + f.hair, 12 + f.hair), 0, 0, 360, 1, -1)
        cv2.rectangle(canvas, (f.x - 4, top), (f.x + 4, top + 22), 1, -1)
        cv2.rectangle(canvas, (f.x - 14, top + 20), (f.x + 14, SIZE), 1, -1)
        for side in (-1, 1):
            end = (f.x + side * 24, 2) if f.arms_up else (f.x + side * (30 + f.arm), 90 - f.arm)
            cv2.line(canvas, (f.x + side * 14, top + 24), end, 1, 7)
        if f.skirt:
            corners = np.array([(f.x - 12, 62), (f.x + 12, 62), (f.x + f.skirt, SIZE), (f.x - f.skirt, SIZE)])
            cv2.fillPoly(canvas, [corners], 1)
    return canvas > 0


HERS = [
    Figure(), Figure(arm=14), Figure(hair=4), Figure(arms_up=True), Figure(skirt=40), Figure(x=40), Figure(tall=6),
]  # fmt: skip


@pytest.mark.parametrize("figure", HERS)
def test_she_alone_has_one_head_whatever_she_does(figure: Figure) -> None:
    assert count_heads(outline(figure), thickness(outline(Figure()))) == 1


@pytest.mark.parametrize("other", [Figure(x=84), Figure(x=16, tall=-10), Figure(x=90, tall=4), Figure(x=10, hair=3)])
def test_a_second_head_is_counted_at_either_side_and_any_height(other: Figure) -> None:
    assert count_heads(outline(Figure(), other), thickness(outline(Figure()))) == 2


def test_what_rises_from_below_is_no_head() -> None:
    stool = outline(Figure())
    stool[70:, 70:90] = True
    assert count_heads(stool, thickness(outline(Figure()))) == 1
    assert count_heads(np.zeros((SIZE, SIZE), dtype=bool), 10.0) == 0


@pytest.mark.parametrize("figure", [f for f in HERS if not f.skirt])
def test_her_own_changes_between_takes_do_not_add_a_body(figure: Figure) -> None:
    others = usual({"take1": outline(Figure()), "take2": outline(figure), "take3": outline(Figure(arm=6))})["take2"]
    assert not has_grown(outline(figure), others)
    assert has_grown(outline(Figure(), Figure(x=86)), others)


def test_a_wide_skirt_adds_a_body_and_no_head() -> None:
    others = usual({"take1": outline(Figure()), "take2": outline(Figure(skirt=48))})["take2"]
    assert count_heads(outline(Figure(skirt=48)), others.trunk) == 1


def test_who_stands_elsewhere_is_not_somebody_more() -> None:
    aside, both = outline(Figure(x=12)), outline(Figure(x=12), Figure(x=80))
    others = usual({"take1": outline(Figure(x=70)), "take2": aside})["take2"]
    assert not has_grown(aside, others)
    assert not has_grown(both, usual({"take1": both, "take2": both})["take2"])  # nothing to compare with
    assert usual({"take1": aside}) == {}


# -- through the check, in the stage -----------------------------------------------------------------------------------

CAMERAS, LIGHTS = make_rig(3, seed=4, image_size=192), make_lights(2)
STANCES = {
    "take1": Stance(facing_deg=10),
    "take2": Stance(facing_deg=-25, arm_left=Limb(raise_=12, bend=20)),
    "take3": Stance(facing_deg=40, arm_right=Limb(swing=10, raise_=10)),
}


def photograph(people: Sequence[Scene], camera: StageCamera, light: StageLight) -> Picture:
    """The farther of them first."""
    linear = None
    for scene in sorted(people, key=lambda s: -float(((s.vertices.mean(axis=0) - camera.position) ** 2).sum())):
        linear = render_linear(scene, camera, light, supersample=1, behind=linear)
    assert linear is not None
    return encoded(linear)


def found_in(folder: Path, *, takes: int = 3, company: tuple[str, ...] = (), backdrop: str = "grey") -> list[Issue]:
    """What the check says of three cameras, two lights and up to three takes, each in another outfit."""
    (folder / "session.toml").write_text(session_toml(takes=takes, cameras=3, lights=2))
    session, thumbnails = read_session(folder), Thumbnails(folder / "thumbnails")
    her, beside = make_person(5), replace(Stance(), facing_deg=20.0, offset_m=(0.1, -0.5, 0.0))
    for number, camera in enumerate(CAMERAS, 1):
        plate = render_empty(backdrop, camera, LIGHTS[0])
        thumbnails.put(Shot(ShotKind.PLATE, f"cam{number}"), encode_jpeg(plate, 80))
    for take, outfit in zip(session.take, sorted(OUTFITS), strict=False):
        people = [Scene(her, STANCES[take.id], outfit, backdrop)]
        people += [Scene(make_person(99), beside, "white", backdrop)] if take.id in company else []
        for number, camera in enumerate(CAMERAS, 1):
            for light_number, light in enumerate(LIGHTS, 1):
                shot = Shot(ShotKind.STILL, f"cam{number}", take.id, f"light{light_number}")
                thumbnails.put(shot, encode_jpeg(photograph(people, camera, light), 80))
    return list(check_subject(Context(session, (), (), (), thumbnails)))


@pytest.mark.parametrize("backdrop", ["grey", "canvas"])
def test_outfits_poses_and_shadows_are_her_own(tmp_path: Path, backdrop: str) -> None:
    assert found_in(tmp_path, backdrop=backdrop) == []


@pytest.mark.parametrize("backdrop", ["warm", "canvas"])
def test_somebody_for_a_whole_take_is_one_issue(tmp_path: Path, backdrop: str) -> None:
    (item,) = found_in(tmp_path, company=("take2",), backdrop=backdrop)
    assert (item.code, item.where) == ("SUBJECT_EXTRA", "stills/take2")
    assert "3 of 3 cameras show somebody beside her whom the other takes do not: cam1, cam2, cam3" in item.found


def test_somebody_in_the_only_take(tmp_path: Path) -> None:
    (item,) = found_in(tmp_path, takes=1, company=("take1",))
    assert (item.code, item.where) == ("SUBJECT_EXTRA", "stills/take1")
    assert "cameras show somebody beside her: " in item.found


def test_she_alone_in_the_only_take(tmp_path: Path) -> None:
    assert found_in(tmp_path, takes=1) == []
