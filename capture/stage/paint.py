"""The paint of a dressed person: colour, relief, gloss and scatter of every patch on one texture atlas.

Every feature is a function of the true position of a texel on the rest-pose body, so sizes are in metres and marks are
round on the skin whatever the texture does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.blemish import paint_marks
from capture.stage.body import ATLAS, Tube, build_body
from capture.stage.cloth import clothes
from capture.stage.face import face
from capture.stage.hair import head_hair, loose_hair
from capture.stage.head import hair_height
from capture.stage.person import Person
from capture.stage.skin import skin
from capture.stage.surface import Surface, bare_surface, spread_to_patch, step

F32 = NDArray[np.float32]
_STEEPEST = 0.9  # of the relief; steeper would be lit as if nothing hid behind it


@dataclass(frozen=True, eq=False)
class Paint:
    """What covers a person, on the atlas and at her vertices. Read-only."""

    albedo: F32  # (1024, 1024, 3) linear RGB
    slopes: tuple[F32, F32]  # (1024, 1024) rise per metre along columns and along rows of the atlas
    scatter: F32  # (1024, 1024) 1 where light spreads under the surface as in skin
    gloss: F32  # (V,) strength of the highlight, 1 = dry skin
    fibre: F32  # (V,) 1 where the surface is hair


@lru_cache(maxsize=6)
def paint(person: Person, outfit_name: str) -> Paint:
    """The paint of a person in an outfit."""
    albedo = np.zeros((ATLAS, ATLAS, 3), dtype=np.float32)
    planes = [np.zeros((ATLAS, ATLAS), dtype=np.float32) for _ in range(3)]
    gloss, fibre = [], []
    for tube in build_body(person.shape):
        x0, y0, width, height = tube.patch
        window = np.s_[y0 : y0 + height, x0 : x0 + width]
        points = spread_to_patch(tube.points, tube)
        surface = bare_surface(height, width, person.skin)
        _dress(surface, person, tube, points, outfit_name)
        albedo[window] = np.clip(surface.albedo, 0.0, 1.0)
        planes[0][window], planes[1][window] = _slopes(surface.height, points)
        planes[2][window] = surface.scatter
        gloss.append(_at_vertices(surface.gloss, tube))
        fibre.append(_fibre(person, tube))
    arrays = [albedo, *planes, np.concatenate(gloss), np.concatenate(fibre).astype(np.float32)]
    for array in arrays:
        array.setflags(write=False)
    return Paint(arrays[0], (arrays[1], arrays[2]), arrays[3], arrays[4], arrays[5])


def _dress(surface: Surface, person: Person, tube: Tube, points: F32, outfit_name: str) -> None:
    """Everything that is painted on one patch, from the skin outward."""
    reference = points / np.float32(person.shape.scale)
    if tube.name in ("bun", "fall"):
        loose_hair(surface, person, reference)
        return
    skin(surface, person, tube, reference)
    if tube.name == "torso":
        face(surface, person, reference)
    if tube.name.startswith("finger"):
        _nail(surface, person, tube.name)
    paint_marks(surface, person, tube, points)
    if tube.name == "torso":
        # Rows run from the crown down: hair above the collar bones, cloth below the chin.
        collar = int(np.argmax(reference[:, 0, 2] < 1.40))
        chin = int(np.argmax(reference[:, 0, 2] < 1.47))
        head_hair(surface.part(np.s_[:collar, :]), person, reference[:collar])
        clothes(surface.part(np.s_[chin:, :]), tube.name, outfit_name, reference[chin:])
    elif not tube.name.startswith("finger"):
        clothes(surface, tube.name, outfit_name, reference)


def _nail(surface: Surface, person: Person, name: str) -> None:
    """A nail on the back of a finger, near its tip."""
    height, width = surface.height.shape
    row, col = np.mgrid[0:height, 0:width].astype(np.float32)
    # The back of a hand that hangs looks away from the body: columns run from her back over her right.
    outer = 0.75 if "left" in name else 0.25
    turn = np.abs((col / (width - 1) - outer + 0.5) % 1 - 0.5)
    alpha = step(0.16, 0.11, turn) * step(0.68, 0.74, row / height) * step(0.97, 0.93, row / height)
    red, green, blue = person.skin
    surface.lay(alpha, (0.6 * red + 0.28, 0.6 * green + 0.19, 0.6 * blue + 0.17), gloss=3.0)


def _slopes(height: F32, points: F32) -> tuple[F32, F32]:
    """Rise per metre of a relief (h, w) along its columns and its rows, on points (h, w, 3)."""
    found = []
    for axis, (dx, dy) in ((1, (1, 0)), (0, (0, 1))):
        rise = cv2.Sobel(height, cv2.CV_32F, dx, dy, ksize=3, scale=0.125, borderType=cv2.BORDER_REPLICATE)
        run = np.linalg.norm(np.diff(points, axis=axis), axis=2)
        pad = ((0, 0), (0, 1)) if axis == 1 else ((0, 1), (0, 0))
        run = np.pad(run, pad, mode="edge")
        slope = rise / np.maximum(run, 2e-4)
        found.append(np.clip(slope, -_STEEPEST, _STEEPEST).astype(np.float32))
    return found[0], found[1]


def _at_vertices(plane: F32, tube: Tube) -> F32:
    """Values of a patch (h, w) at the vertices of its tube, (R * C,)."""
    smooth = cv2.blur(plane, (5, 5))
    at = np.rint(tube.uv.reshape(-1, 2) - (tube.patch[0], tube.patch[1])).astype(int)
    return np.asarray(smooth[at[:, 1], at[:, 0]], dtype=np.float32)


def _fibre(person: Person, tube: Tube) -> F32:
    if tube.name in ("bun", "fall"):
        return np.ones(tube.points.shape[0] * tube.points.shape[1], dtype=np.float32)
    if tube.name != "torso":
        return np.zeros(tube.points.shape[0] * tube.points.shape[1], dtype=np.float32)
    points = tube.points.reshape(-1, 3) / person.shape.scale
    above = np.where(points[:, 2] > 1.45, hair_height(points, person.shape), -1.0)
    return step(-0.002, 0.006, above.astype(np.float32))
