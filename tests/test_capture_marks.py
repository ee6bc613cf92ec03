"""Proposals on painted skin with a known truth, what must not be proposed, and the marks file."""

import cv2
import numpy as np
import pytest

from capture.marks import MarkEntry, MarkPhoto, MarksFile, blend_lights, propose, read_marks, to_lab, write_marks
from capture.session import ShotKind
from capture.toml_file import TomlError


def skin_with(discs, *, size=(300, 260), tone=(130, 160, 205), seed=0, shade=0.0):
    """BGR skin with soft discs (u, v, radius, darkness as a factor) under a slow gradient, sensor noise sd 1.5."""
    v, u = np.mgrid[0 : size[0], 0 : size[1]].astype(float)
    level = np.ones(size)
    for du, dv, radius, factor in discs:
        edge = 1 / (1 + np.exp((np.hypot(u - du, v - dv) - radius) / 0.6))
        level *= 1 - (1 - factor) * edge
    light = 1 - shade * u / size[1]
    picture = np.array(tone) * (level * light)[..., None] + np.random.default_rng(seed).normal(0, 1.5, (*size, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


DISCS = [(60.3, 70.6, 3.0, 0.75), (150.5, 90.2, 6.0, 0.7), (110.0, 190.7, 12.0, 0.8), (200.2, 230.4, 20.0, 0.75)]


@pytest.mark.parametrize("tone", [(200, 215, 240), (130, 160, 205), (38, 48, 75)])
def test_discs_are_found_where_they_are(tone):
    picture = skin_with(DISCS, tone=tone, shade=0.3)
    skin = np.ones(picture.shape[:2], bool)
    blobs = propose(picture, skin)
    for u, v, radius, _ in DISCS:
        near = min(blobs, key=lambda b: np.hypot(b.u - u, b.v - v))
        # sigma = noise * sqrt(pi R^4 / 4) / (contrast * pi r^2), R = 1.4 r + 0.5 the window: 0.16 px per axis for the
        # smallest disc on the darkest skin (noise 0.9, contrast 5.4 in L*), so three of it; shading adds 1 % of r.
        assert np.hypot(near.u - u, near.v - v) < 0.45 + 0.01 * radius
        assert 0.75 < near.radius_px / radius < 1.35
        assert near.contrast > 3
        assert near.colour[0] < -3
    assert len(blobs) <= len(DISCS) + 1


def test_plain_skin_and_a_shadow_edge_give_nothing():
    picture = skin_with([], shade=0.4)
    skin = np.ones(picture.shape[:2], bool)
    assert propose(picture, skin) == []
    shadow = picture.copy()
    shadow[:, 120:] = (shadow[:, 120:] * 0.5).astype(np.uint8)
    assert propose(shadow, skin) == []


def test_a_line_and_a_faint_spot_are_no_marks():
    picture = skin_with([])
    picture[60:64, 30:230] = (picture[60:64, 30:230] * 0.7).astype(np.uint8)
    faint = skin_with([(130, 200, 6.0, 0.985)])
    skin = np.ones(picture.shape[:2], bool)
    assert not [b for b in propose(picture, skin) if 40 < b.u < 220]
    assert propose(faint, skin) == []


def test_the_silhouette_is_no_mark():
    picture = skin_with([(100, 150, 5, 0.7)])
    skin = np.zeros(picture.shape[:2], bool)
    cv2.ellipse(mask := skin.astype(np.uint8), (110, 150), (60, 110), 10, 0, 360, 1, -1)
    picture[mask == 0] = 20
    blobs = propose(picture, mask > 0)
    assert len(blobs) == 1
    assert abs(blobs[0].u - 100) < 0.5
    assert propose(picture, skin) == []


def test_several_lights_remove_shadows_and_keep_the_mark():
    skin = np.ones((300, 260), bool)
    pictures = []
    for k, (a, b) in enumerate([(40, 90), (120, 170), (190, 240), (0, 30)]):
        picture = skin_with([(150, 150, 6.0, 0.72)], seed=k).astype(float)
        cv2.circle(shadow := np.ones((300, 260)), ((a + b) // 2, 60 + 50 * k), 14, 0.45, -1)
        pictures.append(np.clip(picture * cv2.GaussianBlur(shadow, (0, 0), 2)[..., None], 0, 255).astype(np.uint8))
    assert len(propose(pictures[0], skin)) > 1  # one light alone takes its shadow for a mark
    blobs = propose(blend_lights(pictures, skin), skin)
    assert [(round(b.u), round(b.v)) for b in blobs] == [(150, 150)]


def test_a_reddish_mark_of_equal_lightness_is_found():
    lab = to_lab(skin_with([]))
    v, u = np.mgrid[0:300, 0:260]
    lab[..., 1] += 14 * (np.hypot(u - 130, v - 150) < 8)
    blobs = propose(lab, np.ones((300, 260), bool))
    assert np.hypot(blobs[0].u - 130, blobs[0].v - 150) < 0.6


def test_misuse_is_named():
    picture = skin_with([])
    with pytest.raises(ValueError, match="give both of one photograph"):
        propose(picture, np.ones((10, 10), bool))
    with pytest.raises(ValueError, match="got no images"):
        blend_lights([], np.ones((10, 10), bool))
    with pytest.raises(ValueError, match="differ from the skin mask"):
        blend_lights([picture], np.ones((10, 10), bool))


def test_marks_file_survives_writing(tmp_path):
    photo = MarkPhoto(take="take1", camera="cam01", u=10.25, v=20.5, radius_px=4.0)
    entry = MarkEntry(
        id="m01", label='left "cheek" \\ ünder\nthe eye', kind="birthmark", confirmed=True, photo=(photo,)
    )
    waiting = MarkEntry(id="m02", photo=(photo, photo.model_copy(update={"camera": "cam02", "light": "key"})))
    path = tmp_path / "marks.toml"
    write_marks(path, MarksFile(mark=(entry, waiting)), heading=("look at page.html",))
    again = read_marks(path)
    assert again == MarksFile(mark=(entry, waiting))
    marks = again.marks()
    assert [m.id for m in marks] == ["m01"]  # only what a person confirmed
    assert marks[0].shot.kind is ShotKind.STILL
    assert (marks[0].shot.group, marks[0].shot.light, marks[0].u) == ("take1", "", 10.25)


PHOTO = "[[mark.photo]]\ntake='t'\ncamera='c'\nu=1\nv=1\nradius_px=2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[mark]]\nid='a'\nconfirmd=true\n" + PHOTO, "did you mean 'confirmed'"),
        ("[[mark]]\nid='a'\n", "'mark.0.photo' is missing"),
        ("[[mark]]\nid='a'\n[[mark.photo]]\ntake='t'\ncamera='c'\nu=1\nv=1\nradius_px=0\n", "greater than 0"),
        ("[[mark]]\nid='a'\nkind='dot'\n" + PHOTO, "'mole'"),
    ],
)  # fmt: skip
def test_a_wrong_marks_file_names_the_key(tmp_path, text, said):
    path = tmp_path / "marks.toml"
    path.write_text(text)
    with pytest.raises(TomlError, match=said):
        read_marks(path)


def test_an_id_is_used_once(tmp_path):
    photo = MarkPhoto(take="t", camera="c", u=1, v=1, radius_px=2)
    path = tmp_path / "marks.toml"
    write_marks(path, MarksFile.model_construct(mark=(MarkEntry(id="a", photo=(photo,)),) * 2))
    with pytest.raises(TomlError, match="'a' is there twice"):
        read_marks(path)
