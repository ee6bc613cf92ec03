"""Colour charts: six real photographs, the ways in which a card is refused, and the matrices against colour-science."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ImageCms

from calibration.colour import apply
from calibration.colour.chart import find_card, read_chart
from calibration.colour.correction import Correction, unknown
from calibration.colour.fit import LINEAR, ROOT, expand, fit_colours
from calibration.colour.profile import read_srgb, to_srgb
from calibration.colour.reference import delta_e, lab_of, published, science
from capture.decode.picture import ImageError, Picture
from capture.images import encode_jpeg, read_image
from capture.stage.tone import encode_srgb, linear_from_srgb

PHOTOS = (
    "color_checker_1", "color_checker_4", "color_checker_7", "color_checker_9", "color_checker_mini_2",
    "color_checker_mini_5",
)  # fmt: skip
PALE, DARK = (200, 200, 200), (30, 30, 30)


@pytest.fixture(scope="module")
def photos(data_dir: Path) -> dict[str, Picture]:
    folder = data_dir / "colorchecker"
    if not folder.is_dir():
        pytest.skip(f"no colour charts at {folder}")
    return {name: read_image(folder / f"{name}.jpg") for name in PHOTOS}


def painted_over(picture: Picture, patches: slice, colour: tuple[int, int, int]) -> Picture:
    """The photograph with some patches of its card gone under one coat of paint."""
    card = find_card(picture)
    assert card is not None
    hull = cv2.convexHull(card.outlines[patches].reshape(-1, 2).astype(np.float32)).reshape(-1, 2)
    middle = hull.mean(axis=0)
    done = picture.copy()
    cv2.fillConvexPoly(done, (middle + 1.06 * (hull - middle)).astype(np.int32), colour)
    return done


@pytest.mark.parametrize("name", PHOTOS)
def test_a_real_photograph_of_the_card_is_read(photos: dict[str, Picture], name: str) -> None:
    fit, _, issues = read_chart(photos[name], where=name)
    assert fit is not None
    assert issues == ()
    left_out = float(fit.left_out.mean())
    # Seventeen such photographs gave 3.9 to 5.0.
    assert 3.5 < left_out < 5.0
    assert left_out > float(fit.errors.mean())  # the fit flatters itself
    assert left_out < float(fit.raw.mean()) + 0.3


@pytest.mark.parametrize("turn", [cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE])
def test_a_card_held_upside_down_is_read_the_same(photos: dict[str, Picture], turn: int) -> None:
    plain, _, _ = read_chart(photos["color_checker_1"], where="x")
    turned, _, issues = read_chart(cv2.rotate(photos["color_checker_1"], turn).astype(np.uint8), where="x")
    assert plain is not None
    assert turned is not None
    assert issues == ()
    assert np.abs(turned.measured - plain.measured).max() < 0.01


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("paint", [PALE, DARK])
def test_a_card_with_a_missing_row_is_refused(
    photos: dict[str, Picture], row: int, paint: tuple[int, int, int]
) -> None:
    picture = painted_over(photos["color_checker_mini_5"], slice(6 * row, 6 * row + 6), paint)
    fit, _, issues = read_chart(picture, where="chart")
    assert fit is None
    assert [i.code for i in issues] == ["CHART_INCOMPLETE"]


@pytest.mark.slow
def test_a_card_without_its_grey_row_is_refused_in_every_photograph(photos: dict[str, Picture]) -> None:
    for name, picture in photos.items():
        fit, _, issues = read_chart(painted_over(picture, slice(18, 24), PALE), where=name)
        assert fit is None
        assert issues[0].code in ("CHART_INCOMPLETE", "CHART_NOT_FOUND")


def test_a_hand_over_some_patches_is_seen(photos: dict[str, Picture]) -> None:
    _, _, issues = read_chart(painted_over(photos["color_checker_1"], slice(9, 11), (110, 140, 190)), where="chart")
    assert [i.code for i in issues] == ["CHART_INCOMPLETE"]
    assert "CIEDE2000" in issues[0].expected


def test_a_mirrored_card_is_refused(photos: dict[str, Picture]) -> None:
    fit, _, issues = read_chart(np.ascontiguousarray(photos["color_checker_4"][:, ::-1]), where="chart")
    assert fit is None
    assert [i.code for i in issues] == ["CHART_MIRRORED"]


def test_an_overexposed_card_is_refused_and_a_slightly_clipped_one_is_read_without_those_patches(
    photos: dict[str, Picture],
) -> None:
    linear = linear_from_srgb(photos["color_checker_9"] / 255)
    _, _, burnt = read_chart(encode_srgb((4.0 * linear).astype(np.float32)), where="chart")
    assert [i.code for i in burnt] == ["CHART_CLIPPED"]
    fit, _, bright = read_chart(encode_srgb((1.3 * linear).astype(np.float32)), where="chart")
    assert fit is not None
    assert [i.code for i in bright] == ["CHART_CLIPPED"]
    assert 18 <= fit.usable.sum() < 24
    assert fit.left_out.mean() < 5.5


def test_a_picture_without_a_card_has_none() -> None:
    grain = np.random.default_rng(0).integers(60, 120, (400, 600, 3)).astype(np.uint8)
    fit, card, issues = read_chart(grain, where="calibration/chart/key/cam1")
    assert fit is None
    assert card is None
    assert [(i.code, i.where) for i in issues] == [("CHART_NOT_FOUND", "calibration/chart/key/cam1")]


@pytest.mark.parametrize("terms", [LINEAR, ROOT])
def test_a_known_matrix_comes_back(terms: int) -> None:
    rng = np.random.default_rng(1)
    cast = np.eye(3) + rng.normal(0, 0.08, (3, 3))
    seen = 0.4 * published().linear.clip(0.001) @ np.linalg.inv(cast).T
    fit = fit_colours(seen, terms=terms)
    assert fit.errors.mean() < 0.3
    assert fit.left_out.mean() < 0.8
    # Cyan lies outside sRGB, where its red is negative and no camera follows.
    others = np.arange(24) != 17
    done = expand(fit.measured, terms) @ fit.matrix.T
    assert np.abs(done - published().linear)[others].max() < 0.03


def test_the_fit_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match=r"patches have shape \(23, 3\)"):
        fit_colours(np.ones((23, 3)))
    with pytest.raises(ValueError, match="2 greys are usable, 3 are needed"):
        fit_colours(published().linear, usable=np.arange(24) < 20)


def test_terms_are_those_of_colour_science() -> None:
    linear = np.random.default_rng(2).uniform(0, 1, (50, 3))
    theirs = science().characterisation.polynomial_expansion_Finlayson2015(linear, 2, True)
    assert np.abs(expand(linear, ROOT) - theirs).max() < 1e-12


def test_ciede2000_gives_a_published_pair() -> None:
    first, second = np.array([50.0, 2.6772, -79.7751]), np.array([50.0, 0.0, -82.7485])
    assert delta_e(first, second) == pytest.approx(2.0425, abs=1e-4)  # first pair of Sharma, Wu and Dalal
    assert lab_of(np.ones(3)) == pytest.approx([100, 0, 0], abs=1e-2)


def test_apply_undoes_a_cast_in_linear_light(photos: dict[str, Picture]) -> None:
    picture = photos["color_checker_1"]
    fit, card, _ = read_chart(picture, where="x")
    assert fit is not None
    assert card is not None
    correction = Correction(
        "a", "b", "chart", fit.exposure, fit.white[1] / fit.white, fit.matrix, np.diag([2.0, 1.0, 0.5])
    )
    done = apply(picture, correction)
    after = find_card(done)
    assert after is not None
    assert delta_e(lab_of(after.linear), published().lab).mean() == pytest.approx(fit.errors.mean(), abs=0.3)
    lit = apply(np.full((4, 4, 3), 100, np.uint8), correction, keep_light=True)
    gains = linear_from_srgb(lit[0, 0] / 255) / linear_from_srgb(np.array(100 / 255))
    assert gains == pytest.approx([0.5, 1.0, 2.0], rel=0.02)  # BGR


def test_apply_without_a_measurement_changes_nothing() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    done = apply(picture, unknown("a", "b"))
    assert (done == picture).all()
    assert done is not picture
    with pytest.raises(ValueError, match=r"picture has shape \(5, 6\)"):
        apply(picture[..., 0], unknown("a", "b"))


def test_a_correction_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="correction of a under b has matrices"):
        Correction("a", "b", "chart", 1.0, np.ones(3), np.eye(4), np.eye(3))


def swapped_profile() -> bytes:
    """An sRGB profile whose red and green primaries are exchanged."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def with_profile(jpeg: bytes, profile: bytes) -> bytes:
    body = b"ICC_PROFILE\0\x01\x01" + profile
    return jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_a_picture_with_another_profile_is_brought_to_srgb(tmp_path: Path) -> None:
    picture = np.full((32, 32, 3), (40, 90, 200), np.uint8)
    path = tmp_path / "a.jpg"
    path.write_bytes(with_profile(encode_jpeg(picture), swapped_profile()))
    assert np.abs(read_srgb(path)[16, 16].astype(int) - (40, 200, 90)).max() <= 2
    path.write_bytes(with_profile(encode_jpeg(picture), swapped_profile()[:40]))
    with pytest.raises(ImageError, match="PROFILE_UNUSABLE: its profile of 40 bytes"):
        read_srgb(path)


def test_srgb_itself_is_left_alone_and_other_colours_are_refused() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    assert to_srgb(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) is picture
    with pytest.raises(ImageError, match="its profile is for Lab colours"):
        to_srgb(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())


def test_a_real_camera_in_adobe_rgb_without_a_profile_is_refused(data_dir: Path) -> None:
    path = data_dir / "photographs" / "Olympus PEN E-P3.jpg"
    if not path.is_file():
        found = sorted((data_dir / "photographs").rglob("Olympus PEN E-P3.jpg"))
        if not found:
            pytest.skip("no photograph in Adobe RGB")
        path = found[0]
    with pytest.raises(ImageError, match="PROFILE_UNUSABLE: the camera wrote Adobe RGB and no profile"):
        read_srgb(path)
