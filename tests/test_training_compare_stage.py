"""The verdicts on photographs of the simulated studio at 96 px, where every mark and its place are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pytest

from capture.mask import skin_mask
from capture.stage.lens import StageCamera, StageLight, image_points, look_at, pose_tuple
from capture.stage.person import Person, make_person
from capture.stage.render import render, render_depth, render_mask
from capture.stage.scene import Scene, Stance
from training.compare.colour import U8
from training.compare.marks import MarkVerdict, Surface, score_marks, surface
from training.compare.score import kept_share
from training.compare.shares import Share
from training.compare.thresholds import Thresholds
from training.dataset.frames import MarkSeen

PIXELS, SIDE_M, DISTANCE_M = 96, 0.52, 2.5
SEEDS, AZIMUTHS = (3, 5, 7, 8), (-30, 0, 30)
KEY = StageLight("key", 35, 40)
FILL = StageLight("fill", -50, 30, (1.0, 0.9, 0.75), 0.6, 0.3)


@dataclass(frozen=True, eq=False)
class Shot:
    image: U8
    surface: Surface
    marks: tuple[MarkSeen, ...]


@lru_cache(maxsize=32)
def scene(person: Person, turned_deg: float = 0.0) -> Scene:
    return Scene(person, Stance(facing_deg=turned_deg))


def bust_camera(of: Scene, azimuth: float) -> StageCamera:
    aim = np.array([0.0, 0.0, float(of.vertices[:, 2].max()) - 0.25])
    angle = math.radians(azimuth)
    pose = look_at(aim + DISTANCE_M * np.array([math.cos(angle), math.sin(angle), 0.0]), aim)
    focal, middle = PIXELS * DISTANCE_M / SIDE_M, (PIXELS - 1) / 2
    return StageCamera("bust", PIXELS, PIXELS, focal, focal, middle, middle, (0.0,) * 5, pose_tuple(pose))


def row_marks(of: Scene, camera: StageCamera) -> tuple[MarkSeen, ...]:
    depth, size = render_depth(of, camera), {m.id: m.diameter_m for m in of.person.marks}
    out = []
    for name, (position, normal) in of.mark_positions_world().items():
        (place,), (far,) = image_points(camera, position[None])
        sight = camera.position - position
        facing = math.degrees(math.acos(float(np.clip(normal @ sight / np.linalg.norm(sight), -1, 1))))
        u, v = float(place[0]), float(place[1])
        inside = 0 <= round(u) < PIXELS and 0 <= round(v) < PIXELS
        seen = facing < 85 and inside and bool(depth[round(v), round(u)] > far - 0.01)
        radius = 0.5 * size[name] * camera.fx / float(far)
        out.append(MarkSeen(id=name, u=u, v=v, radius_px=radius, facing_deg=facing, visible=seen))
    return tuple(out)


def shoot(of: Scene, azimuth: float, light: StageLight = KEY) -> Shot:
    camera = bust_camera(of, azimuth)
    image, mask, marks = render(of, camera, light), render_mask(of, camera), row_marks(of, camera)
    return Shot(image, surface(image, mask, skin_mask(image, mask), marks), marks)


def noisy(image: U8) -> U8:
    soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.5)
    soft = soft * np.linspace(0.93, 1.07, PIXELS)[None, :, None]
    return np.clip(soft + np.random.default_rng(0).normal(0, 2, soft.shape), 0, 255).astype(np.uint8)


def unmarked(person: Person) -> Person:
    for mark in person.marks:
        person = person.without_mark(mark.id)
    return person


def kept(candidate: Callable[[Person, float], tuple[U8, Shot | None]]) -> Share:
    """Share kept when `candidate` gives the picture, and its own shot where its marks lie elsewhere."""
    verdicts: list[MarkVerdict] = []
    for person in (make_person(seed) for seed in SEEDS):
        for azimuth in AZIMUTHS:
            camera = bust_camera(scene(person), azimuth)
            photo, mask = shoot(scene(person), azimuth), render_mask(scene(person), camera)
            image, own = candidate(person, azimuth)
            same = surface(image, mask, skin_mask(photo.image, mask), photo.marks)
            second, marks = (same, photo.marks) if own is None else (own.surface, own.marks)
            verdicts += score_marks(photo.surface, photo.marks, second, marks, Thresholds())
    return kept_share(verdicts)


# Pairs are matched in light. Under one from her other side a mark may lie in her own shadow: measured 32 of 34, the
# other two with 0.54 and 0.57 of their contrast.
@pytest.mark.parametrize(("case", "least"), [("noise", 0.95), ("another light", 0.9), ("another take", 0.95)])
def test_photographs_of_herself_keep_her_marks(case: str, least: float) -> None:
    def candidate(person: Person, azimuth: float) -> tuple[U8, Shot | None]:
        if case == "noise":
            return noisy(shoot(scene(person), azimuth).image), None
        if case == "another light":
            return shoot(scene(person), azimuth, FILL).image, None
        again = shoot(scene(person, 2.0), azimuth)
        return again.image, again

    share = kept(candidate)
    assert share.total >= 30
    assert share.count >= least * share.total


def test_without_her_marks_almost_none_is_kept() -> None:
    share = kept(lambda person, azimuth: (shoot(scene(unmarked(person)), azimuth).image, None))
    assert share.count <= 0.05 * share.total


def test_another_person_keeps_few() -> None:
    share = kept(lambda person, azimuth: (shoot(scene(make_person(person.seed + 100)), azimuth).image, None))
    assert share.count <= 0.2 * share.total
