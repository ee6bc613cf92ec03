"""The mesh with a picture of its colours, as OBJ + MTL + PNG: two triangles share each square of the picture.

No seam is hidden and no chart is cut: the layout is as plain as it is wasteful, and every program reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.body.surface import BodySurface, Mesh
from calibration.body.texture import Layer, as_bytes, paint
from calibration.body.view import F32
from capture.images import write_png
from capture.store import write_atomic

FACES = 24_000  # a square of 16 texels for two faces of a body are 0.7 mm a texel
_CELL = 16  # texels
_MARGIN = 1.5  # texels between the edge of a square and its triangles, for bilinear reading


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each triangle lies in the picture."""

    size: int  # texels a side
    uv: F32  # (F, 3, 2) texels, pixel centres at integers


def lay_out(count: int) -> Layout:
    """Squares for `count` triangles: the even ones lie in the upper left halves, the odd ones in the lower right."""
    across = max(1, int(np.ceil(np.sqrt((count + 1) // 2))))
    face = np.arange(count)
    corner = np.stack([face // 2 % across, face // 2 // across], axis=-1) * _CELL
    low, high = _MARGIN, _CELL - 1 - _MARGIN
    gap = 1.5  # between the two halves
    upper = np.array([[low, low], [high - gap, low], [low, high - gap]])
    lower = np.array([[high, high], [low + gap, high], [high, low + gap]])
    shape = np.where((face % 2 == 0)[:, None, None], upper, lower)
    return Layout(across * _CELL, (corner[:, None] + shape).astype(np.float32))


def bake(mesh: Mesh, layout: Layout, shown: list[Layer], body: BodySurface) -> NDArray[np.uint8]:
    """The picture (S, S, 3) uint8 BGR of a mesh's colours, asked at each texel on the finer surface `body`."""
    rows, cols = np.mgrid[0:_CELL, 0:_CELL].reshape(2, -1)
    picture = np.zeros((layout.size, layout.size, 3), np.uint8)
    half = rows + cols < _CELL - 1
    for first in range(0, len(mesh.faces), 8000):
        faces = np.arange(first, min(first + 8000, len(mesh.faces)))
        corner = (np.floor(layout.uv[faces].min(axis=1) / _CELL) * _CELL).astype(int)
        for odd in (0, 1):
            mine = faces[faces % 2 == odd]
            inside = half if odd == 0 else ~half
            place = np.stack([cols[inside], rows[inside]], axis=-1)
            texel = corner[faces % 2 == odd][:, None] + place
            weight = _barycentric(layout.uv[mine], texel.astype(np.float32))
            points = np.einsum("fnk,fkc->fnc", weight, mesh.vertices[mesh.faces[mine]]).reshape(-1, 3)
            snapped = body.snap(points)
            light = paint(shown, snapped.points.astype(np.float32), snapped.normals.astype(np.float32)).light
            at = texel.reshape(-1, 2)
            picture[at[:, 1], at[:, 0]] = as_bytes(light)[:, ::-1]
    return picture


def _barycentric(corners: F32, texels: F32) -> F32:
    """Weights (F, N, 3) of texels (F, N, 2) in triangles (F, 3, 2); held at the edge outside them."""
    a, b, c = (corners[:, None, k] for k in range(3))
    ab, ac, ap = b - a, c - a, texels - a
    det = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    second = (ap[..., 0] * ac[..., 1] - ap[..., 1] * ac[..., 0]) / det
    third = (ab[..., 0] * ap[..., 1] - ab[..., 1] * ap[..., 0]) / det
    weight = np.clip(np.stack([1 - second - third, second, third], axis=-1), 0, None)
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True), dtype=np.float32)


def decimated(mesh: Mesh, faces: int = FACES) -> Mesh:
    """The mesh with at most so many faces, by quadric error (Garland and Heckbert 1997)."""
    if len(mesh.faces) <= faces:
        return mesh
    return Mesh.from_open3d(mesh.to_open3d().simplify_quadric_decimation(faces))


def write_obj(folder: Path, name: str, mesh: Mesh, layout: Layout, picture: NDArray[np.uint8]) -> None:
    """Write name.obj, name.mtl and name.png. Metres, z up; texture rows counted from below, as OBJ does."""
    uv = (layout.uv + 0.5) / layout.size
    lines = [f"mtllib {name}.mtl", "usemtl body"]
    lines += ["v {:.5f} {:.5f} {:.5f}".format(*row) for row in mesh.vertices.tolist()]
    lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in uv.reshape(-1, 2).tolist()]
    for k, (a, b, c) in enumerate((mesh.faces + 1).tolist()):
        lines.append(f"f {a}/{3 * k + 1} {b}/{3 * k + 2} {c}/{3 * k + 3}")
    write_png(folder / f"{name}.png", picture)
    write_atomic(folder / f"{name}.mtl", f"newmtl body\nKa 1 1 1\nKd 1 1 1\nmap_Kd {name}.png\n")
    write_atomic(folder / f"{name}.obj", "\n".join(lines) + "\n")
