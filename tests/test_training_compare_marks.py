"""Verdicts on painted discs on skin-like noise: each outcome is recognised, and each has its negative control."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.color import lab2rgb

from training.compare.colour import U8
from training.compare.invented import invented
from training.compare.marks import DISC_RESPONSE, MarkVerdict, Surface, Verdict, score_marks, surface
from training.compare.thresholds import Thresholds
from training.dataset.frames import MarkSeen

SIZE = 128
LIMITS = Thresholds()
MARK = MarkSeen(id="m01", u=64.0, v=60.0, radius_px=4.0, facing_deg=10.0, visible=True)


def skin(*discs: tuple[float, float, float, float], seed: int = 0, noise: float = 0.7) -> U8:
    """A lit skin patch with discs (u, v, diameter px, contrast L*; darker is positive)."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE, :SIZE]
    lightness = 65 + 6 * np.cos((cols - 40) / 50) + rng.normal(0, noise, (SIZE, SIZE))
    for u, v, diameter, contrast in discs:
        lightness -= contrast / (1 + np.exp(np.clip(np.hypot(cols - u, rows - v) - diameter / 2, -9, 9) / 0.35))
    lab = np.dstack((lightness, np.full_like(lightness, 14), np.full_like(lightness, 18)))
    return (np.round(255 * lab2rgb(lab))[..., ::-1]).astype(np.uint8)


def prepared(image: U8, *marks: MarkSeen) -> Surface:
    mask = np.ones((SIZE, SIZE), dtype=bool)
    return surface(image, mask, mask, marks)


def verdict(render: U8, *, mark: MarkSeen = MARK, contrast: float = 12.0, limits: Thresholds = LIMITS) -> MarkVerdict:
    reference = prepared(skin((mark.u, mark.v, 2 * mark.radius_px, contrast)), mark)
    return score_marks(reference, [mark], prepared(render, mark), [mark], limits)[0]


@pytest.mark.parametrize(
    ("disc", "expected"),
    [
        ((64, 60, 8, 12), Verdict.KEPT),
        ((65, 61, 8, 9), Verdict.KEPT),
        ((64, 60, 8, 4.8), Verdict.FADED),
        ((64, 76, 8, 12), Verdict.MOVED),
        ((64, 60, 8, 0), Verdict.LOST),
        ((64, 95, 8, 12), Verdict.LOST),  # too far off to be the same mark
        ((64, 60, 8, -12), Verdict.LOST),  # a light spot is not her dark mark
    ],
)
def test_each_outcome_is_recognised(disc: tuple[float, float, float, float], expected: Verdict) -> None:
    found = [verdict(skin(disc, seed=seed)).verdict for seed in range(1, 6)]
    assert found == [expected] * 5


def test_place_and_ratio_are_told() -> None:
    moved = verdict(skin((64, 76, 8, 12), seed=1))
    assert moved.found == pytest.approx((64, 76), abs=1)
    assert verdict(skin((64, 60, 8, 6), seed=1)).ratio == pytest.approx(0.5, abs=0.12)
    assert verdict(skin((64, 60, 8, 12), seed=1)).response == pytest.approx(12 * DISC_RESPONSE, rel=0.15)


def test_light_marks_are_kept_and_lost_as_well() -> None:
    assert verdict(skin((64, 60, 8, -12), seed=2), contrast=-12).verdict is Verdict.KEPT
    assert verdict(skin(seed=2), contrast=-12).verdict is Verdict.LOST


def test_what_the_photograph_shows_too_is_no_moved_mark() -> None:
    nostril = (64.0, 74.0, 8.0, 14.0)
    reference = prepared(skin((64, 60, 8, 12), nostril), MARK)
    render = prepared(skin(nostril, seed=1), MARK)
    assert score_marks(reference, [MARK], render, [MARK], LIMITS)[0].verdict is Verdict.LOST


def test_a_neighbouring_mark_is_not_taken_for_the_moved_one() -> None:
    other = MARK.model_copy(update={"id": "m02", "v": 76.0})
    reference = prepared(skin((64, 60, 8, 12), (64, 76, 8, 5)), MARK, other)
    render = prepared(skin((64, 76, 8, 12), seed=1), MARK, other)
    first, second = score_marks(reference, [MARK, other], render, [MARK, other], LIMITS)
    assert (first.verdict, second.verdict) == (Verdict.LOST, Verdict.KEPT)


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_keeps_no_mark(seed: int) -> None:
    assert verdict(skin(seed=10 + seed, noise=4), contrast=6).verdict is not Verdict.KEPT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"visible": False}, "hidden from this view"),
        ({"radius_px": 1.5}, "too small: 3.0 px across, needs 4"),
        ({"facing_deg": 71.0}, "turned away 71 deg, limit 60"),
        ({"u": 1.0}, "at the edge of her skin"),
        ({"u": 500.0}, "at the edge of her skin"),
    ],
)
def test_what_cannot_be_judged_says_why(change: dict[str, float | bool], reason: str) -> None:
    mark = MARK.model_copy(update=change)
    found = verdict(skin((64, 60, 8, 12), seed=1), mark=mark)
    assert found.verdict is Verdict.NOT_OBSERVABLE
    assert reason in found.reason


def test_a_mark_the_photograph_does_not_show_is_not_lost() -> None:
    assert "the photograph does not show it" in verdict(skin(seed=1), contrast=1.5).reason
    assert verdict(skin(seed=1), contrast=1.5, limits=LIMITS).verdict is Verdict.NOT_OBSERVABLE
    rough = prepared(skin((64, 60, 8, 5), noise=9), MARK)
    found = score_marks(rough, [MARK], prepared(skin(), MARK), [MARK], LIMITS)[0]
    assert "does not set it off" in found.reason


def test_a_mark_without_counterpart_in_the_photograph_is_not_judged() -> None:
    plain = prepared(skin(), MARK)
    assert score_marks(plain, [], plain, [MARK], LIMITS)[0].reason == "the photograph does not know it"


def test_silhouettes_answer_no_filter() -> None:
    image = skin((64, 60, 8, 12))
    image[:, 72:] = 255  # a white background begins one diameter beside the mark
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[:, :72] = True
    cut, whole = surface(image, mask, mask, [MARK]), prepared(skin((64, 60, 8, 12)), MARK)
    found = score_marks(whole, [MARK], cut, [MARK], LIMITS)[0]
    assert found.verdict is Verdict.KEPT
    assert found.ratio == pytest.approx(1, abs=0.15)


def invented_in(render: U8, *, photo: U8 | None = None) -> tuple[tuple[float, float, float], ...] | None:
    first = prepared(skin((64, 60, 8, 12)) if photo is None else photo, MARK)
    second = prepared(render, MARK)
    verdicts = score_marks(first, [MARK], second, [MARK], LIMITS)
    return invented(first, second, verdicts, LIMITS)


def test_invented_marks_are_counted_once_each() -> None:
    found = invented_in(skin((64, 60, 8, 12), (20, 100, 8, 14), (100, 30, 8, 14), seed=1))
    assert found is not None
    assert sorted((round(u / 5) * 5, round(v / 5) * 5) for u, v, _ in found) == [(20, 100), (100, 30)]


def test_nothing_is_invented_where_the_photograph_agrees() -> None:
    spots = ((64.0, 60.0, 8.0, 12.0), (20.0, 100.0, 8.0, 14.0))
    assert invented_in(skin(*spots, seed=1), photo=skin(*spots)) == ()
    assert invented_in(skin((64, 60, 8, 12), (20, 100, 8, 4), seed=1)) == ()  # weaker than her weakest mark
    assert invented_in(skin((64, 76, 8, 12), seed=1)) == ()  # a moved mark is moved, not invented


def test_a_line_is_no_mark() -> None:
    render = skin((64, 60, 8, 12), seed=1).astype(float)
    render[100:104, 10:118] -= 40
    assert invented_in(np.clip(render, 0, 255).astype(np.uint8)) == ()


def test_large_pictures_find_the_same_marks() -> None:
    large = [
        cv2.resize(skin(*d, seed=k), None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        for k, d in enumerate((((64, 60, 8, 12),), ((64, 60, 8, 12), (20, 100, 8, 14))))
    ]
    mark = MARK.model_copy(update={"u": 322.0, "v": 302.0, "radius_px": 20.0})
    mask = np.ones(large[0].shape[:2], dtype=bool)
    first, second = (surface(image, mask, mask, [mark]) for image in large)
    verdicts = score_marks(first, [mark], second, [mark], LIMITS)
    assert verdicts[0].verdict is Verdict.KEPT
    found = invented(first, second, verdicts, LIMITS)
    assert found is not None
    assert len(found) == 1
    assert found[0][:2] == pytest.approx((102, 502), abs=6)


def test_without_an_observable_mark_nothing_is_called_invented() -> None:
    assert invented_in(skin((20, 100, 8, 14), seed=1), photo=skin()) is None


def test_unequal_sizes_are_refused() -> None:
    mask = np.ones((SIZE, SIZE - 1), dtype=bool)
    with pytest.raises(ValueError, match="give masks of this picture"):
        surface(skin(), mask, mask, [])


def test_limits_are_the_ones_given() -> None:
    strict = limits_with(kept_ratio=0.9)
    assert verdict(skin((64, 60, 8, 8.5), seed=1)).verdict is Verdict.KEPT
    assert verdict(skin((64, 60, 8, 8.5), seed=1), limits=strict).verdict is Verdict.FADED


def limits_with(**changes: float) -> Thresholds:
    return Thresholds.model_validate({**LIMITS.model_dump(), **changes})
