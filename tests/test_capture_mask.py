"""Masks against the stage's own truth: every light, very light to very dark skin; nothing found where nobody stands."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from capture.mask import estimate_plate, person_mask, person_mask_of_lights, skin_mask
from capture.stage.person import make_person
from capture.stage.render import render, render_empty, render_mask
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Scene, Stance
from capture.video import read_frames

SIZE = 512


def photograph(picture, seed):
    """Sensor noise of 1.5 grey levels and a JPEG, as a camera gives."""
    noise = np.random.default_rng(seed).normal(0, 1.5, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 93])[1], cv2.IMREAD_COLOR)


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.fixture(scope="module")
def studio():
    camera, lights = make_rig(12, seed=1, image_size=SIZE)[2], make_lights(8)
    plate = photograph(render_empty("grey", camera, lights[3]), 99)
    return camera, lights, plate


@pytest.mark.parametrize(("seed", "count"), [(0, 8), (2, 2)])
def test_person_mask_matches_the_truth_under_every_light(studio, seed, count):
    camera, lights, plate = studio
    scene = Scene(make_person(seed), Stance(facing_deg=20.0), "black", "grey")
    truth = render_mask(scene, camera)
    scores = [
        iou(person_mask(photograph(render(scene, camera, x), k), plate), truth) for k, x in enumerate(lights[:count])
    ]
    assert min(scores) >= 0.93, [round(s, 3) for s in scores]


def test_nobody_before_the_plate_gives_an_empty_mask(studio):
    camera, lights, plate = studio
    for k, light in enumerate(lights):
        assert not person_mask(photograph(render_empty("grey", camera, light), k), plate).any()


def test_clothes_of_the_backdrop_come_back_with_several_lights(studio):
    camera, lights, plate = studio
    scene = Scene(make_person(7), Stance(), "white", "grey")
    pictures = [photograph(render(scene, camera, x), k) for k, x in enumerate(lights[:3])]
    truth = render_mask(scene, camera)
    single = [iou(person_mask(p, plate), truth) for p in pictures]
    together = iou(person_mask_of_lights(pictures, plate), truth)
    assert together >= 0.93
    assert together >= np.median(single) - 0.01


@pytest.mark.parametrize(("seed", "precision"), [(2, 0.93), (7, 0.70), (12, 0.93)])
def test_skin_is_found_for_every_tone(studio, seed, precision):
    """Brown hair has the hue of skin (seed 7): it counts as skin, which costs proposals but loses no mark."""
    camera, lights, _ = studio
    scene = Scene(make_person(seed), Stance(), "blue", "grey")
    mask = render_mask(scene, camera)
    truth = _painted_skin(scene, camera, mask)
    for light in (lights[0], lights[1]):
        found = skin_mask(photograph(render(scene, camera, light), seed), mask)
        assert (found & truth).sum() / truth.sum() > 0.93
        # Marks, eyes and lips are inside her skin but not painted with it.
        assert (found & truth).sum() / found.sum() > precision


def _painted_skin(scene, camera, mask):
    """Skin of the truth: what changes in an otherwise equal picture when only her skin is replaced by another tone."""
    light = make_lights(4)[3]
    flat = replace(light, intensity=1e-6, ambient=0.9, colour=(1.0, 1.0, 1.0))
    skin = scene.person.skin
    other = replace(scene.person, skin=(skin[0] * 0.4, skin[1] * 0.7, skin[2] * 0.9))
    a = render(scene, camera, flat, shadow=False).astype(float)
    b = render(Scene(other, scene.stance, scene.outfit, scene.backdrop), camera, flat, shadow=False).astype(float)
    return mask & (np.abs(a - b).max(axis=2) > 12)


def test_skin_of_an_empty_mask_is_empty():
    picture = np.full((40, 30, 3), 120, np.uint8)
    assert not skin_mask(picture, np.zeros((40, 30), bool)).any()


def test_plate_of_a_clip_is_the_background_where_it_was_seen_most():
    rng = np.random.default_rng(3)
    background = cv2.resize(rng.integers(40, 200, (12, 16, 3), dtype=np.uint8), (160, 120))
    frames = []
    for k in range(21):
        frame = np.clip(background + rng.normal(0, 2, background.shape), 0, 255).astype(np.uint8)
        walker = np.array([60, 90, 190]) + rng.normal(0, 2, (70, 30, 3))
        frame[30:100, 7 * k : min(7 * k + 30, 160)] = walker[:, : max(0, 160 - 7 * k)]  # each place in 5 of 21 frames
        frames.append(frame)
    plate = estimate_plate(frames)
    # Five kept values, noise sd 2: three sigma. Where cloth and wall are of one grey the colours mix, which is rare.
    assert np.percentile(np.abs(plate.astype(int) - background), 97) <= 6


def test_plate_shows_who_never_moves():
    frames = [np.full((40, 40, 3), 100, np.uint8) for _ in range(9)]
    for frame in frames:
        frame[10:30, 10:30] = 200
    assert (estimate_plate(frames)[15:25, 15:25] == 200).all()


def test_misuse_is_named():
    a, b = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="plate is .* give both of one camera"):
        person_mask(a, b)
    with pytest.raises(ValueError, match="got 2 frames, needs at least 3"):
        estimate_plate([a, a])
    with pytest.raises(ValueError, match="give frames of one camera"):
        estimate_plate([a, a, b])
    with pytest.raises(ValueError, match="give the mask of this image"):
        skin_mask(a, np.zeros((8, 9), bool))
    with pytest.raises(ValueError, match="got no images"):
        person_mask_of_lights([], a)


def test_real_clip_without_a_plate_finds_the_man(data_dir):
    clip = data_dir / "caliscope-4cam" / "calibration" / "extrinsic" / "cam_2.mp4"
    if not clip.is_file():
        pytest.skip("caliscope-4cam is not in LIKENESS_DATA")
    frames = [cv2.resize(f, (640, 360), interpolation=cv2.INTER_AREA) for _, f in read_frames(clip)]
    mask = person_mask(frames[30], estimate_plate(frames))
    # Seen in the picture: his face and his shirt; the room beside him is free.
    assert mask[175:205, 355:385].mean() > 0.9
    assert mask[260:300, 400:440].mean() > 0.9
    assert mask[:, :150].mean() < 0.02
    assert mask[:, 560:].mean() < 0.02
