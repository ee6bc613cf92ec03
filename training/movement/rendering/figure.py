"""The stick figure: her left and right in two colours, on a floor whose grid passes under her, with the way she goes.

Pictures are (H, W, 3) uint8 BGR. Limbs are as thick as a wrist is, and the nearer one covers the farther.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL
from capture.motion.clip import MotionClip
from training.movement.rendering.face import body_size, head_place
from training.movement.rendering.shot import Floor, Shot, floor_of

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

Bgr = tuple[int, int, int]
PAPER: Bgr = (243, 246, 247)
LEFT: Bgr = (168, 98, 26)  # blue
RIGHT: Bgr = (32, 112, 226)  # orange; told from the blue by every kind of colour blindness
TRUNK: Bgr = (74, 68, 66)
_LINES: Bgr = (196, 203, 206)
_SHADE: Bgr = (217, 222, 224)
_GONE: Bgr = (150, 158, 162)
_TO_COME: Bgr = (208, 214, 217)

_LIMB_M, _TRUNK_M, _RIM_M = 0.042, 0.05, 0.014
_HEAD_M = 0.105  # radius, at 1.70 m
_SHIFT = 4  # binary digits of a pixel that OpenCV draws to; without them slow lines would tremble
# Shoulders are drawn from the neck; the skeleton hangs them on the chest.
_BONES: tuple[tuple[str, str], ...] = (
    ("pelvis", "chest"),
    ("chest", "neck"),
    ("neck", "head"),
    *(
        (f"{above}_{side}" if above not in ("neck", "pelvis") else above, f"{below}_{side}")
        for side in ("left", "right")
        for above, below in (
            ("neck", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"),
            ("pelvis", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "toe"),
        )
    ),
)  # fmt: skip


def stick_frames(clip: MotionClip, shot: Shot) -> Iterator[U8]:
    """A picture of each frame of a canonical clip, (H, W, 3)."""
    floor = floor_of(shot.camera)
    size = body_size(clip)
    turns, places = clip.world
    for frame in range(len(clip)):
        picture = _ground(floor, shot, frame)
        _way(picture, places[:, 0], shot, frame)
        _figure(picture, turns[frame], places[frame], shot, (frame, size))
        _legend(picture)
        yield picture


def _ground(floor: Floor, shot: Shot, frame: int) -> U8:
    picture = np.empty((shot.camera.height, shot.camera.width, 3), dtype=np.uint8)
    picture[:] = PAPER
    cover = floor.grid(shot.offsets[frame])[..., None]
    paper, lines = (np.array(colour, dtype=np.float32) for colour in (PAPER, _LINES))
    picture[floor.top :] = np.rint(paper + cover * (lines - paper)).astype(np.uint8)
    return picture


def _way(picture: U8, pelvis: F64, shot: Shot, frame: int) -> None:
    """Where her pelvis has been and will be, as a line on the floor."""
    pixels, depth = shot.seen(pelvis * (1.0, 1.0, 0.0), frame)
    width = max(1, round(0.014 * shot.camera.fx / 4.0))
    for part, colour in ((np.s_[frame:], _TO_COME), (np.s_[: frame + 1], _GONE)):
        ahead = depth[part] > 0.5
        line = _fixed(pixels[part][ahead])
        cv2.polylines(picture, [line], False, colour, width, cv2.LINE_AA, _SHIFT)


def _figure(picture: U8, turns: F64, places: F64, shot: Shot, at: tuple[int, float]) -> None:
    """Shadow, limbs from far to near, head. `turns` (18, 3, 3), `places` (18, 3) world; `at` is frame and size."""
    frame, size = at
    head = CANONICAL.index("head")
    centre = head_place(places[head], turns[head], size, "centre")
    nose = head_place(places[head], turns[head], size, "nose")
    places = places.copy()
    places[head] = centre  # so that the neck ends under the disc
    pixels, depth = shot.seen(places, frame)
    shadows, _ = shot.seen(places * (1.0, 1.0, 0.0), frame)
    scale = shot.camera.fx / depth
    pairs = [(CANONICAL.index(a), CANONICAL.index(b)) for a, b in _BONES]
    for a, b in pairs:
        _line(picture, shadows[[a, b]], _SHADE, 1.3 * _LIMB_M * size * scale[a])
    parts = [(float(depth[a] + depth[b]) / 2, a, b) for a, b in pairs]
    parts.append((float(depth[head]), head, head))
    for _, a, b in sorted(parts, reverse=True):
        if a == b:
            _head(picture, np.stack([centre, nose]), shot, at)
            continue
        thick = (_LIMB_M if "_" in CANONICAL[b] else _TRUNK_M) * size * float(scale[[a, b]].mean())
        rim = 2 * _RIM_M * size * float(scale[a])
        _line(picture, pixels[[a, b]], PAPER, thick + rim)
        _line(picture, pixels[[a, b]], _colour(CANONICAL[b]), thick)


def _head(picture: U8, places: F64, shot: Shot, at: tuple[int, float]) -> None:
    """A disc, and a short line to where her nose is, so that it is seen where she looks. `places` (2, 3)."""
    frame, size = at
    pixels, depth = shot.seen(places, frame)
    radius, rim = (value * size * shot.camera.fx / float(depth[0]) for value in (_HEAD_M, _RIM_M))
    centre = tuple(int(v) for v in _fixed(pixels[:1])[0, 0])
    nearer = depth[1] < depth[0]
    if not nearer:
        _line(picture, pixels, TRUNK, 2.4 * rim)
    for colour, size_px in ((PAPER, radius + rim), (TRUNK, radius)):
        cv2.circle(picture, centre, round(size_px * 2**_SHIFT), colour, -1, cv2.LINE_AA, _SHIFT)
    if nearer:
        tip = pixels[0] + 1.15 * (pixels[1] - pixels[0])
        _line(picture, np.stack([pixels[0] + 0.6 * (tip - pixels[0]), tip]), PAPER, 2.0 * rim)


def _legend(picture: U8) -> None:
    size = picture.shape[0] / 720
    if size < 0.5:
        return
    for row, (text, colour) in enumerate((("her left", LEFT), ("her right", RIGHT))):
        y = round((36 + 30 * row) * size)
        cv2.line(picture, (round(28 * size), y), (round(64 * size), y), colour, round(9 * size), cv2.LINE_AA)
        cv2.putText(
            picture, text, (round(80 * size), y + round(7 * size)), cv2.FONT_HERSHEY_SIMPLEX, 0.62 * size, TRUNK,
            max(1, round(1.2 * size)), cv2.LINE_AA,
        )  # fmt: skip


def _colour(joint: str) -> Bgr:
    return LEFT if joint.endswith("_left") else RIGHT if joint.endswith("_right") else TRUNK


def _line(picture: U8, ends: F64, colour: Bgr, width: float) -> None:
    a, b = _fixed(ends)[:, 0]
    cv2.line(picture, _pair(a), _pair(b), colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _pair(values: Sequence[int] | NDArray[np.int32]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _fixed(pixels: F64) -> NDArray[np.int32]:
    """(N, 1, 2) pixels as OpenCV takes them with fractions."""
    return np.rint(np.clip(pixels, -1e4, 1e4) * 2**_SHIFT).astype(np.int32).reshape(-1, 1, 2)
