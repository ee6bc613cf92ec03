"""Who is in the picture: somebody more, nobody, and neither where only the light changes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.checks.foreground import foreground, log_small
from capture.checks.scale import pixels_per_mm
from capture.checks.subject import is_extra, is_gone
from capture.images import Picture
from capture.mask import estimate_plate
from capture.video import read_frames

LIGHTS = {"left": (1.3, 0.7), "right": (0.7, 1.3), "even": (1.0, 1.0)}


def empty(light: str) -> Picture:
    """A grey wall (180, 240, 3) under a light that falls off to one side."""
    slope = np.linspace(*LIGHTS[light], 240)[None, :, None]
    return np.clip(110 * slope * np.ones((180, 240, 3)), 0, 255).astype(np.uint8)


def with_people(light: str, *places: int) -> Picture:
    """The wall and somebody with bare skin at each of the columns."""
    picture = empty(light)
    slope = np.linspace(*LIGHTS[light], 240)
    for x in places:
        shade = float(slope[x])
        skin = tuple(int(min(255, shade * level)) for level in (75, 105, 160))
        cv2.ellipse(picture, (x, 130), (24, 80), 0, 0, 360, skin, -1)
        cv2.circle(picture, (x, 35), 16, skin, -1)
    return picture


def masks(**places: tuple[int, ...]) -> dict[str, np.ndarray]:
    plate = log_small(empty("even"))
    return {light: foreground(log_small(with_people(light, *at)), plate) for light, at in places.items()}


def test_she_alone_under_three_lights() -> None:
    found = masks(left=(110,), right=(110,), even=(110,))
    areas = [float(mask.mean()) for mask in found.values()]
    truth = float((with_people("even", 110) != empty("even")).any(axis=2).mean())
    assert all(abs(area / truth - 1) < 0.15 for area in areas)
    assert not any(is_extra(found, light) or is_gone(found, light) for light in found)


def test_somebody_more_under_one_light() -> None:
    found = masks(left=(110,), right=(110, 200), even=(110,))
    assert [light for light in found if is_extra(found, light)] == ["right"]
    assert not any(is_gone(found, light) for light in found)


def test_nobody_under_one_light() -> None:
    found = masks(left=(110,), right=(110,), even=())
    assert [light for light in found if is_gone(found, light)] == ["even"]
    assert not any(is_extra(found, light) for light in found)


def test_an_empty_wall_under_another_light_shows_nobody() -> None:
    assert not foreground(log_small(empty("left")), log_small(empty("right"))).any()


def test_real_footage_one_person_and_none(data_dir: Path) -> None:
    path = data_dir / "pose2sim-single" / "videos" / "cam01.mp4"
    if not path.is_file():
        pytest.skip(f"no footage at {path}; set LIKENESS_DATA")
    frames = [frame for _, frame in islice(read_frames(path, every=8), 12)]
    small = [np.ascontiguousarray(cv2.resize(f, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)) for f in frames]
    plate = estimate_plate(small[:6])
    rng = np.random.default_rng(0)
    darker = plate * np.linspace(1.0, 0.7, plate.shape[1])[None, :, None] + rng.normal(0, 3, plate.shape)
    nobody = log_small(np.clip(darker, 0, 255).astype(np.uint8))
    later = {str(k): foreground(log_small(frame), log_small(plate)) for k, frame in enumerate(small[6:9])}
    assert foreground(nobody, log_small(plate)).mean() < 0.01
    assert all(0.02 < mask.mean() < 0.3 for mask in later.values())
    assert not any(is_gone(later, light) for light in later)
    assert is_gone({**later, "empty": foreground(nobody, log_small(plate))}, "empty")


def test_a_height_in_centimetres_is_refused() -> None:
    with pytest.raises(ValueError, match=r"height is 172 m; give metres"):
        pixels_per_mm(None, height_m=172)  # type: ignore[arg-type]  # the height is looked at first
