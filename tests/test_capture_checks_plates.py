"""Stills against the empty plate: exchanged cameras, mirrored pictures, moved cameras, and a mute plain wall."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import session_toml

from capture.checks.exchanged import find_exchanged
from capture.checks.foreground import log_small
from capture.checks.plates import check_plates, is_mirrored, plain_cameras
from capture.checks.views import View
from capture.images import Picture, encode_jpeg
from capture.mask import estimate_plate
from capture.session import Session, Shot, ShotKind, read_session
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original
from capture.video import read_frames

SIZE = 480  # pixels
WIDER = 40  # pixels of wall beyond the picture on every side


def wall(seed: int, *, plain: bool = False) -> Picture:
    """The studio behind one camera, wider than the picture: seams and stains, or smooth light only."""
    rng = np.random.default_rng(seed)
    side = SIZE + 2 * WIDER
    stains = [
        cv2.resize(rng.normal(0, 14, (side // n, side // n)), (side, side), interpolation=cv2.INTER_CUBIC)
        for n in (70, 25, 9)
    ]
    slope = np.linspace(-25, 25, side)[None, :] * (-1) ** seed
    grey = 115 + slope + (0 if plain else 1) * np.sum(stains, axis=0)
    return np.clip(np.stack([grey, grey + 3, grey - 4], axis=2), 0, 255).astype(np.uint8)


def photograph(
    behind: Picture, *, at: tuple[float, float] = (0, 0), her: int | None = 240, light: float = 1.0, seed: int = 0
) -> Picture:
    """What a camera at an offset of pixels sees of a wall, with her in front."""
    x, y = WIDER + at[0], WIDER + at[1]
    inside = np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)
    seen = cv2.warpAffine(behind, inside, (SIZE, SIZE), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    out = seen * np.linspace(1, light, SIZE)[None, :, None]
    if her is not None:
        cv2.ellipse(out, (her, 330), (60, 170), 0, 0, 360, (70, 95, 150), -1)
        cv2.circle(out, (her, 120), 40, (70, 95, 150), -1)
    return np.clip(out + np.random.default_rng(seed).normal(0, 1.5, out.shape), 0, 255).astype(np.uint8)


def view(picture: Picture) -> View:
    """As the check sees it: the thumbnail."""
    scale = 240 / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return View(log_small(small), small)


def context_of(folder: Path, session: Session, shots: Mapping[Shot, Picture]) -> Context:
    """The pictures on disk, as ingest leaves them."""
    thumbnails = Thumbnails(folder / "thumbnails")
    originals = []
    for shot, picture in shots.items():
        path = folder / f"{shot.stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture))
        thumbnails.put(shot, encode_jpeg(view(picture).pixels, 80))
        height, width = picture.shape[:2]
        originals.append(Original(shot, path, shot.stem, 1, shot.stem, width, height, 1, 0.0))
    return Context(session, tuple(originals), (), (), thumbnails)


class Studio:
    """Three cameras, two lights, three takes on disk; `shots` are changed before `context` is asked."""

    def __init__(self, folder: Path, *, plain: bool = False) -> None:
        self.folder = folder
        self.walls = {f"cam{k}": wall(k, plain=plain) for k in (1, 2, 3)}
        (folder / "session.toml").write_text(session_toml(takes=3, cameras=3, lights=2).replace("64", str(SIZE)))
        self.session = read_session(folder)
        self.shots = {Shot(ShotKind.PLATE, c): photograph(w, her=None) for c, w in self.walls.items()}
        for n, shot in enumerate(self.session.stills()):
            self.shots[shot] = self.still(shot, seed=n)

    def still(self, shot: Shot, *, at: tuple[float, float] = (0, 0), seed: int = 99) -> Picture:
        """A shot by the camera at an offset."""
        her = 200 + 30 * int(shot.group[-1])
        return photograph(self.walls[shot.camera], at=at, her=her, light=0.6 * int(shot.light[-1]), seed=seed)

    def context(self) -> Context:
        """What a check looks at."""
        return context_of(self.folder, self.session, self.shots)

    def found(self) -> list[tuple[str, str]]:
        """Codes and places."""
        return [(i.code, i.where) for i in check_plates(self.context())]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_a_clean_session_says_nothing(studio: Studio) -> None:
    assert studio.found() == []
    assert plain_cameras(studio.context()) == []


@pytest.mark.parametrize("pixels", [1.0, 2.5, 20.0])
def test_a_moved_camera_is_named_with_the_take_and_the_pixels(studio: Studio, pixels: float) -> None:
    for shot in studio.shots:
        if shot.camera == "cam2" and shot.group in ("take2", "take3"):
            studio.shots[shot] = studio.still(shot, at=(pixels, 0.0))
    (item,) = check_plates(studio.context())
    since = "take3" if pixels == 1.0 else "take2"
    # A move too small for the thumbnails is followed back from the last take.
    assert (item.code, item.where) in [("CAMERA_MOVED", f"stills/{take}/*/cam2") for take in {since, "take2"}]
    assert abs(float(item.found.split()[0]) - pixels) <= 0.15
    assert "(-" in item.found  # a camera that turns right sees its wall move left


@pytest.mark.parametrize("pixels", [1.0, 2.5, 20.0])
def test_a_camera_that_was_put_back_is_named_with_its_one_take(studio: Studio, pixels: float) -> None:
    for shot in studio.shots:
        if shot.camera == "cam2" and shot.group == "take2":
            studio.shots[shot] = studio.still(shot, at=(pixels, 0.0))
    (item,) = check_plates(studio.context())
    assert (item.code, item.where) == ("CAMERA_MOVED", "stills/take2/*/cam2")
    assert abs(float(item.found.split()[0]) - pixels) <= 0.15
    assert item.found.endswith("in take2, no longer in take3")


def test_a_camera_that_moves_before_each_take_is_named_each_time(studio: Studio) -> None:
    places = {"take1": (4.0, 0.0), "take2": (0.0, -9.0), "take3": (0.0, -9.0)}
    for shot in studio.shots:
        if shot.camera == "cam1" and shot.group in places:
            studio.shots[shot] = studio.still(shot, at=places[shot.group])
    first, second = check_plates(studio.context())
    assert (first.where, second.where) == ("stills/take1/*/cam1", "stills/take2/*/cam1")
    assert first.found.startswith("4.0 px (-4.0 right")
    assert second.found.startswith("9.0 px")
    assert second.found.endswith("since take2, also in take3")


def test_half_a_pixel_is_left_in_peace(studio: Studio) -> None:
    for shot in studio.shots:
        if shot.camera == "cam2" and shot.group == "take3":
            studio.shots[shot] = studio.still(shot, at=(0.3, 0.0))
    assert studio.found() == []


def test_two_exchanged_cameras_are_one_issue(studio: Studio) -> None:
    other = {"cam1": "cam3", "cam3": "cam1"}
    pictures = dict(studio.shots)
    for shot in studio.session.stills():
        studio.shots[shot] = pictures[Shot(shot.kind, other.get(shot.camera, shot.camera), shot.group, shot.light)]
    assert studio.found() == [("CAMERA_SWAPPED", "cameras cam1 and cam3")]


@pytest.mark.parametrize("takes", [("take1", "take2", "take3"), ("take2",)])
def test_a_ring_of_three_cameras_is_one_issue(studio: Studio, takes: tuple[str, ...]) -> None:
    shown = {"cam1": "cam2", "cam2": "cam3", "cam3": "cam1"}
    pictures = dict(studio.shots)
    for shot in studio.session.stills():
        if shot.group in takes:
            studio.shots[shot] = pictures[Shot(shot.kind, shown[shot.camera], shot.group, shot.light)]
    (item,) = check_plates(studio.context())
    assert (item.code, item.where) == ("CAMERA_SWAPPED", "cameras cam1, cam2 and cam3")
    chain = "cam1 shows the plate of cam2, cam2 shows the plate of cam3, cam3 shows the plate of cam1"
    assert item.found.startswith(f"in {', '.join(takes)} {chain}: they agree by ")


def test_a_pair_and_a_ring_at_once_and_a_chain_with_a_lost_end() -> None:
    walls = {f"cam{k}": wall(k) for k in range(1, 7)}
    plates = {camera: view(photograph(behind, her=None)) for camera, behind in walls.items()}
    shown = {"cam1": "cam4", "cam4": "cam1", "cam2": "cam3", "cam3": "cam6", "cam6": "cam2", "cam5": "cam5"}
    stills = {(c, "take1"): {"day": view(photograph(walls[p], seed=9))} for c, p in shown.items()}
    rings = [e.shows for e in find_exchanged(plates, stills)]
    assert rings == [(("cam1", "cam4"), ("cam4", "cam1")), (("cam2", "cam3"), ("cam3", "cam6"), ("cam6", "cam2"))]
    del stills["cam4", "take1"]  # nobody shows the place of cam1 now
    assert find_exchanged(plates, stills)[0].shows == (("cam1", "cam4"),)


def test_places_that_look_alike_are_not_told_apart() -> None:
    walls = {"cam1": wall(1), "cam2": wall(2), "cam3": wall(2)}
    plates = {camera: view(photograph(behind, her=None)) for camera, behind in walls.items()}
    shown = {"cam1": "cam2", "cam2": "cam1", "cam3": "cam3"}  # cam1 may show the place of cam3 just as well
    stills = {(c, "take1"): {"day": view(photograph(walls[p], seed=9))} for c, p in shown.items()}
    assert [e.shows for e in find_exchanged(plates, stills)] == [(("cam2", "cam1"),)]


def test_a_mirrored_take_and_a_mirrored_photograph(studio: Studio) -> None:
    for shot in studio.session.stills():
        if (shot.group, shot.camera) == ("take1", "cam1") or shot.stem == "stills/take3/light2/cam2":
            studio.shots[shot] = studio.shots[shot][:, ::-1].copy()
    assert studio.found() == [
        ("PHOTO_MIRRORED", "stills/take1/*/cam1"),
        ("PHOTO_MIRRORED", "stills/take3/light2/cam2"),
    ]


def test_a_plain_wall_has_no_place(tmp_path: Path) -> None:
    studio = Studio(tmp_path, plain=True)
    pictures = dict(studio.shots)
    for shot in studio.session.stills():  # exchanged, and nobody can know
        other = {"cam1": "cam2", "cam2": "cam1"}.get(shot.camera, shot.camera)
        studio.shots[shot] = pictures[Shot(shot.kind, other, shot.group, shot.light)]
    assert studio.found() == []
    assert plain_cameras(studio.context()) == ["cam1", "cam2", "cam3"]


def test_real_footage_every_exchanged_plate_is_found(data_dir: Path) -> None:
    folder = data_dir / "pose2sim-single" / "videos"
    if not folder.is_dir():
        pytest.skip(f"no footage at {folder}; set LIKENESS_DATA")
    plates, stills = {}, {}
    for camera in ("cam01", "cam02", "cam03", "cam04"):
        frames = [
            np.ascontiguousarray(cv2.resize(f, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
            for _, f in islice(read_frames(folder / f"{camera}.mp4", every=10), 10)
        ]
        plates[camera] = view(estimate_plate(frames[:5]))
        stills[camera] = view(frames[7])
    assert find_exchanged(plates, {(c, "take1"): {"day": v} for c, v in stills.items()}) == []
    assert not any(is_mirrored(stills[c], plates[c]) for c in plates)
    assert all(is_mirrored(stills[c].mirrored, plates[c]) for c in plates)
    for a, b in (("cam01", "cam02"), ("cam03", "cam04")):  # pictures of one size can be exchanged
        named = {**stills, a: stills[b], b: stills[a]}
        found = find_exchanged(plates, {(c, "take1"): {"day": v} for c, v in named.items()})
        assert [(e.shows, e.takes) for e in found] == [(((a, b), (b, a)), ("take1",))]


@pytest.mark.parametrize("camera", ["cam01", pytest.param("cam03", marks=pytest.mark.slow)])
def test_real_footage_one_pixel_in_the_middle_take(data_dir: Path, tmp_path: Path, camera: str) -> None:
    path = data_dir / "pose2sim-single" / "videos" / f"{camera}.mp4"
    if not path.is_file():
        pytest.skip(f"no footage at {path}; set LIKENESS_DATA")
    frames = [frame for _, frame in islice(read_frames(path, every=8), 10)]
    assert {1080, 1088} & set(frames[0].shape)
    (tmp_path / "session.toml").write_text(session_toml(takes=3, cameras=1, lights=1))
    session = read_session(tmp_path)
    shots = {Shot(ShotKind.PLATE, "cam1"): np.median(np.stack(frames[:6]), axis=0).astype(np.uint8)}
    shots.update(dict(zip(session.stills(), frames[6:9], strict=True)))
    assert list(check_plates(context_of(tmp_path, session, shots))) == []
    middle = Shot(ShotKind.STILL, "cam1", "take2", "light1")
    pushed = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    size = (frames[0].shape[1], frames[0].shape[0])
    shots[middle] = cv2.warpAffine(shots[middle], pushed, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    (item,) = check_plates(context_of(tmp_path, session, shots))
    assert item.where == "stills/take2/*/cam1"
    assert abs(float(item.found.split()[0]) - 1.0) < 0.1
