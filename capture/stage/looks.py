"""How people look by chance: proportions, skin, hair and the layout of the face, each drawn from a seeded generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.stage.body import BodyShape
from capture.stage.fall import STYLES
from capture.stage.tone import Rgb, linear_from_lab, rgb

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class FaceLayout:
    """Colours (linear RGB) and small asymmetries (metres) of the painted face."""

    iris: Rgb
    lips: Rgb
    brow_height: tuple[float, float]
    eye_width: float
    lip_width: float
    mouth_tilt: float
    blush: float
    eye_offset: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))  # outward, up; left, right
    eye_opening: tuple[float, float] = (1.0, 1.0)
    eye_tilt: float = 0.07
    gaze: float = 0.0
    brow_arch: float = 0.004
    brow_weight: float = 1.0
    nose_bend: float = 0.0
    lip_fullness: float = 1.0
    shadows: float = 0.3  # under the eyes


def draw_shape(rng: np.random.Generator) -> BodyShape:
    """Proportions of a body."""

    def near(spread: float) -> float:
        return float(1 + np.clip(rng.normal(0, spread), -2 * spread, 2 * spread))

    return BodyShape(
        height_m=float(rng.uniform(1.60, 1.85)),
        hips=near(0.04),
        waist=near(0.05),
        bust=near(0.18),
        shoulders=near(0.02),
        neck=near(0.04),
        jaw=near(0.05),
        limbs=near(0.05),
        nose_m=float(rng.uniform(0.014, 0.021)),
        nose_width=near(0.10),
        cheeks_m=float(rng.uniform(0.001, 0.005)),
        hair_volume_m=float(rng.uniform(0.010, 0.018)),
        hair_style=str(rng.choice(STYLES)),
        hairline_m=float(rng.uniform(1.646, 1.656)),
        parting_y_m=float(rng.choice([-1, 1]) * rng.uniform(0.012, 0.03)),
    )


# Dark brown, brown, amber, then blue, green, grey.
_IRIS_LAB = ((16, 8, 12), (24, 13, 20), (36, 14, 28), (44, -6, -14), (44, -11, 12), (48, -3, -4))


def draw_face(skin_lab: F64, rng: np.random.Generator, more: np.random.Generator) -> FaceLayout:
    """A face over skin of that CIE Lab; `more` feeds what was added later, so that `rng` goes on as it did."""
    shade = int(rng.integers(3))
    # Light eyes go with light skin.
    light = more.random() < np.clip((skin_lab[0] - 45) / 35, 0, 0.75)
    iris = np.array(_IRIS_LAB[3 + shade if light else shade])
    lips = [skin_lab[0] * rng.uniform(0.66, 0.80), skin_lab[1] + rng.uniform(8, 22), skin_lab[2] * 0.75]

    def pair(mean: float, spread: float) -> tuple[float, float]:
        return (float(more.normal(mean, spread)), float(more.normal(mean, spread)))

    return FaceLayout(
        iris=rgb(linear_from_lab(iris)),
        lips=rgb(linear_from_lab(np.array(lips))),
        brow_height=(float(rng.normal(0.018, 0.0010)), float(rng.normal(0.018, 0.0010))),
        eye_width=float(rng.uniform(0.0136, 0.0156)),
        lip_width=float(rng.uniform(0.0225, 0.0265)),
        mouth_tilt=float(rng.normal(0, 0.03)),
        blush=float(rng.uniform(0.05, 0.22)),
        eye_offset=(pair(0.0, 0.0007), pair(0.0, 0.0007)),
        eye_opening=pair(float(more.uniform(0.92, 1.15)), 0.03),
        eye_tilt=float(more.uniform(0.02, 0.13)),
        gaze=float(more.normal(0, 0.0004)),
        brow_arch=float(more.uniform(0.0020, 0.0055)),
        brow_weight=float(more.uniform(0.75, 1.25)),
        nose_bend=float(more.normal(0, 0.0008)),
        lip_fullness=float(more.uniform(0.85, 1.15)),
        shadows=float(more.uniform(0.10, 0.45)),
    )


# Skin of people without a tan: a* and b* at lightnesses, after the distribution of individual typology angles.
_LIGHTNESS = (25.0, 40.0, 55.0, 70.0, 85.0)
_REDNESS, _YELLOWNESS = (7.5, 11.5, 12.5, 10.5, 7.5), (8.5, 15.0, 19.5, 18.0, 14.5)


def draw_skin_lab(rng: np.random.Generator) -> F64:
    """CIE Lab (3,) of skin from very light to very dark."""
    lightness = float(rng.uniform(27, 84))
    red = np.interp(lightness, _LIGHTNESS, _REDNESS) + rng.uniform(-1.2, 1.2)
    return np.array([lightness, red, np.interp(lightness, _LIGHTNESS, _YELLOWNESS) + rng.normal(0, 1.0)])


# Black, dark, brown, chestnut, auburn, copper, honey, blonde, ash, grey.
_HAIR_LAB = (
    (7, 1, 1), (12, 3, 4), (18, 6, 8), (25, 9, 13), (24, 16, 16), (38, 24, 30), (48, 9, 28), (64, 5, 28), (58, 2, 14),
    (66, 0, 4),
)  # fmt: skip


def draw_hair_lab(skin_lab: F64, rng: np.random.Generator) -> F64:
    """Dark hair is likelier over dark skin."""
    dark = np.clip((62 - skin_lab[0]) / 25, 0, 1)
    weight = np.where(np.arange(len(_HAIR_LAB)) < 4, 1.0, 1.0 - 0.93 * dark)
    lab = np.array(_HAIR_LAB[int(rng.choice(len(_HAIR_LAB), p=weight / weight.sum()))], dtype=np.float64)
    lab += rng.normal(0, 1.0, 3) * [1.5, 1, 1]
    lab[0] = max(lab[0], 5.0)
    return lab
