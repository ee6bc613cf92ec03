"""What makes a simulated person look like one: tones, freckles, small marks, hair, clothes, light and sensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capture.marks import propose
from capture.mask import skin_mask
from capture.stage.body import build_body
from capture.stage.fall import STYLES, fall_covers
from capture.stage.lens import StageLight
from capture.stage.outfit import BARE_OUTFITS, OUTFITS, worn_over
from capture.stage.paint import paint
from capture.stage.person import make_person, marks_visible_zone
from capture.stage.render import render, render_mask
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Scene, Stance
from capture.stage.sensor import Sensor, grain, photograph_seed
from capture.stage.shading import shadow_map
from capture.stage.shadow import openness
from capture.stage.tone import lab_from_linear, linear_from_srgb
from capture.stage.truth import observe

SEEDS = range(40)
# Arden index: ITA above 55 is very light, below -30 is very dark (Chardon 1991).
ITA_RANGE = (55.0, -30.0)


def test_skin_runs_from_very_light_to_very_dark() -> None:
    lab = np.array([make_person(seed).skin_lab for seed in SEEDS])
    assert lab[:, 0].max() > 80
    assert lab[:, 0].min() < 36
    ita = np.degrees(np.arctan2(lab[:, 0] - 50, lab[:, 2]))
    assert ita.max() > ITA_RANGE[0]
    assert ita.min() < ITA_RANGE[1]
    assert lab[:, 1].min() > 5
    assert lab[:, 1].max() < 16


def test_all_styles_of_hair_and_kinds_of_marks_occur() -> None:
    people = [make_person(seed) for seed in SEEDS]
    assert {person.shape.hair_style for person in people} == set(STYLES)
    kinds = {mark.kind: mark for person in people for mark in person.marks}
    assert {"mole", "raised", "pale", "faint"} <= set(kinds)
    for person in people:
        for mark in person.marks:
            drop = person.skin_lab[0] - lab_from_linear(np.array(mark.colour))[0]
            if mark.kind in ("raised", "pale", "faint"):
                assert 0.002 <= mark.diameter_m <= 0.012
            if mark.kind == "pale":
                assert drop < -3
            if mark.kind == "faint":
                assert 5 < drop < 11


@pytest.mark.parametrize("style", STYLES)
def test_no_mark_lies_under_hair_that_falls_or_the_clothes_of_a_shoot(style: str) -> None:
    people = [p for p in map(make_person, SEEDS) if p.shape.hair_style == style]
    assert people
    for person in people:
        for mark in person.marks:
            place = np.array(mark.position) / person.shape.scale
            assert not fall_covers(place, person.shape, 0.0)
            assert all(worn_over(OUTFITS[name], mark.part, place) < 0 for name in BARE_OUTFITS)


def test_a_mark_under_a_sleeve_is_not_visible() -> None:
    camera = make_rig(4, seed=0, image_size=512)[0]
    hidden = 0
    for seed in (1, 2, 3):
        person = make_person(seed)
        bare, dressed = (observe(Scene(person, Stance(), outfit), camera) for outfit in ("black", "sleeves"))
        for mark in person.marks:
            seen, now = (bool(found[mark.id]["visible"]) for found in (bare, dressed))  # type: ignore[index, call-overload]
            covered = worn_over(OUTFITS["sleeves"], mark.part, np.array(mark.position) / person.shape.scale) > 0
            assert now == (seen and not covered)
            hidden += seen and not now
    assert hidden


def _proposed(person_seed: int, freckles: float) -> int:
    """How many blobs are proposed away from every true mark in one even picture of her face and chest."""
    camera = make_rig(4, seed=0, image_size=1024)[0]
    person = replace(make_person(person_seed), freckles=freckles)
    scene = Scene(person, Stance(), "black", "grey")
    picture = render(scene, camera, StageLight("even", 10.0, 20.0, intensity=0.35, ambient=0.45))
    mask = render_mask(scene, camera)
    places = np.array([found["pixel"] for found in observe(scene, camera).values()])  # type: ignore[index, call-overload]
    blobs = propose(picture, skin_mask(picture, mask))
    return sum(np.hypot(*(places - (b.u, b.v)).T).min() > 12 for b in blobs)


def test_freckles_change_the_skin_and_are_not_proposed_in_crowds() -> None:
    without, dense = (replace(make_person(13), freckles=share) for share in (0.0, 1.0))
    changed = np.abs(paint(without, "black").albedo - paint(dense, "black").albedo).max(axis=2) > 0.02
    assert changed.mean() > 0.002
    # Hundreds of them are in the picture; a few that touch each other may pass for a mark.
    assert _proposed(13, 1.0) <= _proposed(13, 0.0) + 8


def test_a_raised_mole_has_a_light_and_a_dark_side() -> None:
    person = next(p for p in map(make_person, SEEDS) if any(m.kind == "raised" for m in p.marks))
    mark = next(m for m in person.marks if m.kind == "raised")
    slopes = paint(person, "black").slopes[0]
    flat = paint(person.without_mark(mark.id), "black").slopes[0]
    change = slopes - flat
    assert change.max() > 0.1
    assert change.min() < -0.1
    # Up on one side and down on the other: as much of both.
    assert abs(change.sum()) < 0.15 * np.abs(change).sum()


def test_the_throat_is_less_open_than_the_brow() -> None:
    shape = make_person(0).shape
    tube, plane = build_body(shape)[0], openness(shape)[0]
    points = tube.points / shape.scale
    front = np.abs(points[..., 1]) < 0.02
    ahead = front & (points[..., 0] > 0.03)
    throat = plane[ahead & (np.abs(points[..., 2] - 1.475) < 0.008)]
    brow = plane[ahead & (np.abs(points[..., 2] - 1.635) < 0.008)]
    assert throat.mean() < 0.9 * brow.mean()
    assert 0 <= plane.min() <= plane.max() <= 1.0001


def test_a_shadow_is_softer_the_farther_its_caster() -> None:
    light = StageLight("low", 90.0, 10.0)
    scene = Scene(make_person(2), Stance())
    shadows = shadow_map(scene, light)
    widths = []
    for away in (-0.02, 0.5):
        # Beyond her head, along the light, a line of points down across the edge of its shadow.
        top = scene.vertices[scene.vertices[:, 2].argmax()].astype(np.float64)
        z = np.linspace(-0.06, 0.06, 241)
        points = top - (0.05 + away) * light.direction + z[:, None] * np.array([0.0, 0.0, 1.0])
        lit = shadows.soft(points[None].astype(np.float32), 0.004)[0]
        widths.append(int(((lit > 0.02) & (lit < 0.98)).sum()))
    assert widths[1] > 1.5 * widths[0] > 0


def test_a_sensor_adds_shot_noise_and_the_same_seed_the_same_bytes() -> None:
    sensor = Sensor()
    grey = np.full((256, 256, 3), 0.2, dtype=np.float32)
    one, two = sensor.photograph(grey, 5), sensor.photograph(grey, 5)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, sensor.photograph(grey, 6))
    linear = linear_from_srgb(one / 255.0)
    # Rounding to 8 bits adds a third of a step; the curve is about 0.0036 of light per step here.
    expected = np.hypot(np.sqrt(0.2 * sensor.full_well) / sensor.full_well, 0.0036 / np.sqrt(12))
    assert linear.std() == pytest.approx(expected, rel=0.15)
    assert linear.mean() == pytest.approx(0.2, abs=0.001)
    clean = replace(sensor, full_well=0.0).photograph(grey, 5)
    assert np.ptp(clean) == 0


def test_grain_is_white_and_photographs_have_their_own() -> None:
    first = grain(200, 300, photograph_seed(0, "stills/take1/key/cam01"))
    other = grain(200, 300, photograph_seed(0, "stills/take1/key/cam02"))
    assert first.shape == (200, 300, 3)
    assert abs(float((first * other).mean())) < 0.02
    assert float(first.std()) == pytest.approx(1.0, abs=0.02)


def test_a_view_of_hands_shows_ten_fingers_of_their_own() -> None:
    tubes = build_body(make_person(0).shape)
    fingers = [tube for tube in tubes if tube.name.startswith("finger")]
    assert len(fingers) == 10
    for tube in fingers:
        hand = next(t for t in tubes if t.name == f"arm_{tube.name.split('_')[1]}")
        root = tube.points[1].mean(axis=0)
        assert np.linalg.norm(hand.points.reshape(-1, 3) - root, axis=1).min() < 0.02
    assert len(make_lights(2)) == 2
    assert len(marks_visible_zone(make_person(0))) >= 5
