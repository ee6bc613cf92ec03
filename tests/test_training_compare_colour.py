"""Colour, quality and shares against published and exact values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.compare.colour import delta_e_2000, mean_delta_e, to_lab
from training.compare.quality import psnr_db, ssim
from training.compare.shares import Share, wilson

# Sharma, Wu, Dalal 2005, table 1: the first pair, one across the hue seam, one of large difference
SHARMA = (
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
)


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_ciede2000_gives_the_published_values(
    first: tuple[float, ...], second: tuple[float, ...], expected: float
) -> None:
    assert float(delta_e_2000(np.array(first), np.array(second))) == pytest.approx(expected, abs=5e-5)


def test_lab_reads_bgr() -> None:
    red = to_lab(np.full((1, 1, 3), (0, 0, 255), dtype=np.uint8))[0, 0]
    assert red == pytest.approx((53.24, 80.09, 67.20), abs=0.05)


def noisy(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(80, 170, (48, 48, 3)).astype(np.uint8)
    mask = np.zeros((48, 48), dtype=bool)
    mask[12:36, 12:36] = True
    return image, image.copy(), mask


def test_only_the_mask_counts() -> None:
    image, render, mask = noisy()
    render[~mask] = 0
    assert mean_delta_e(image, render, mask) == 0
    assert psnr_db(image, render, mask) == 99.0
    inner = np.zeros_like(mask)
    inner[18:30, 18:30] = True
    assert ssim(image, render, inner) == pytest.approx(1, abs=1e-6)
    render[20:24, 20:24] = 255
    assert mean_delta_e(image, render, mask) > 0.5
    assert ssim(image, render, inner) < 0.9


def test_psnr_of_a_known_error() -> None:
    image, render, mask = noisy()
    render[mask] += 10
    assert psnr_db(image, render, mask) == pytest.approx(20 * math.log10(25.5), abs=1e-9)


def test_misuse_is_named() -> None:
    image, render, mask = noisy()
    for metric in (mean_delta_e, psnr_db, ssim):
        with pytest.raises(ValueError, match="mask is empty"):
            metric(image, render, np.zeros_like(mask))
        with pytest.raises(ValueError, match="give equal sizes"):
            metric(image, render[:-1], mask)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_gives_known_intervals(count: int, total: int, low: float, high: float) -> None:
    # the last two are examples of Newcombe 1998, table I, method 3
    assert wilson(count, total) == pytest.approx((low, high), abs=5e-5)


def test_share_of_nothing_is_no_number() -> None:
    assert Share(0, 0).value is None
    assert Share(0, 0).interval == (0.0, 1.0)
    assert str(Share(0, 0)) == "none of 0"
    assert str(Share(7, 10)) == "70 % (7 of 10, 40-89 %)"
    with pytest.raises(ValueError, match="count is 3 of 2"):
        wilson(3, 2)
