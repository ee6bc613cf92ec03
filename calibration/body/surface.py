"""A triangle mesh of her body, and what is asked of it: the nearest point, the first hit, what a camera sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.body.view import F32, Bool
from calibration.camera import Camera
from calibration.pose import Floats

if TYPE_CHECKING:
    import open3d

I32 = NDArray[np.int32]
_HIDDEN_M = 0.004  # a point of the mesh lies so far off its own faces at most


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in world metres, counter-clockwise seen from outside."""

    vertices: F32  # (V, 3) metres
    faces: I32  # (F, 3)

    def __post_init__(self) -> None:
        shapes = self.vertices.shape[1:] == (3,) and self.faces.shape[1:] == (3,)
        if not shapes or (len(self.faces) and int(self.faces.max()) >= len(self.vertices)):
            raise ValueError(
                f"mesh has vertices {self.vertices.shape} and faces {self.faces.shape}; give (V, 3), (F, 3)"
            )

    @cached_property
    def face_normals(self) -> F32:
        """(F, 3) outward, as long as twice the area of each face in square metres."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a).astype(np.float32)

    @cached_property
    def areas(self) -> F32:
        """(F,) square metres."""
        return np.asarray(np.linalg.norm(self.face_normals, axis=1) / 2, dtype=np.float32)

    @cached_property
    def normals(self) -> F32:
        """(V, 3) unit outward normals, the mean of the faces around by area."""
        total = np.zeros((len(self.vertices), 3))
        for corner in range(3):
            for axis in range(3):
                total[:, axis] += np.bincount(
                    self.faces[:, corner], self.face_normals[:, axis], minlength=len(self.vertices)
                )
        return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)

    @cached_property
    def vertex_areas(self) -> F32:
        """(V,) square metres: a third of the faces around each vertex."""
        shares = np.repeat(self.areas / 3, 3)
        return np.bincount(self.faces.ravel(), shares, minlength=len(self.vertices)).astype(np.float32)

    @property
    def watertight(self) -> bool:
        """True where every edge belongs to exactly two faces that run along it in opposite directions."""
        if not len(self.faces):
            return False
        count = np.int64(len(self.vertices))
        start = self.faces[:, [0, 1, 2]].astype(np.int64).ravel()
        end = self.faces[:, [1, 2, 0]].astype(np.int64).ravel()
        ahead, back = np.sort(start * count + end), np.sort(end * count + start)
        return bool((np.diff(ahead) > 0).all() and (ahead == back).all())

    def part(self, faces: Bool) -> tuple[Mesh, NDArray[np.int64]]:
        """The mesh of the chosen faces (F,), and which of the old vertices it keeps."""
        kept, renumbered = np.unique(self.faces[faces], return_inverse=True)
        return Mesh(self.vertices[kept], renumbered.reshape(-1, 3).astype(np.int32)), kept.astype(np.int64)

    def moved(self, vertices: F32) -> Mesh:
        """The same faces on other vertices (V, 3)."""
        return replace(self, vertices=vertices.astype(np.float32))

    def to_open3d(self) -> open3d.geometry.TriangleMesh:
        """The mesh as Open3D holds it."""
        import open3d as o3d

        vertices = o3d.utility.Vector3dVector(self.vertices.astype(np.float64))
        return o3d.geometry.TriangleMesh(vertices, o3d.utility.Vector3iVector(self.faces))

    @staticmethod
    def from_open3d(mesh: open3d.geometry.TriangleMesh) -> Mesh:
        """The mesh that Open3D holds."""
        return Mesh(np.asarray(mesh.vertices, dtype=np.float32), np.array(mesh.triangles, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class Snapped:
    """Points brought to the surface."""

    points: Floats  # (N, 3) metres, on the surface
    normals: Floats  # (N, 3) unit, outward, interpolated between vertices
    distance: Floats  # (N,) metres that the points were moved; inf where a ray met nothing (points and normals NaN)
    face: NDArray[np.int64]  # (N,) -1 where a ray met nothing


class BodySurface:
    """Questions about a mesh, answered by Open3D's ray casting on the CPU (Embree)."""

    def __init__(self, mesh: Mesh) -> None:
        """Builds the search tree. ValueError for a mesh without faces."""
        import open3d as o3d

        if not len(mesh.faces):
            raise ValueError("mesh has no faces; there is no surface to ask about")
        self.mesh = mesh
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(mesh.vertices, np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(mesh.faces, np.uint32)),
        )

    def snap(self, points: ArrayLike) -> Snapped:
        """The nearest places of the surface to points (N, 3)."""
        asked = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        found = self._scene.compute_closest_points(_tensor(asked))
        places = found["points"].numpy().astype(np.float64)
        face = found["primitive_ids"].numpy().astype(np.int64)
        away = np.linalg.norm(places - asked, axis=1)
        return Snapped(places, self._normals(face, found["primitive_uvs"].numpy()), away, face)

    def hit(self, origins: ArrayLike, directions: ArrayLike) -> Snapped:
        """The first places where rays from origins (N, 3) along directions (N, 3), unit or not, meet the surface."""
        start = np.asarray(origins, dtype=np.float64).reshape(-1, 3)
        ahead = np.asarray(directions, dtype=np.float64).reshape(-1, 3)
        if start.shape != ahead.shape:
            raise ValueError(f"rays have origins {start.shape} and directions {ahead.shape}; give one of each, (N, 3)")
        ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
        found = self._scene.cast_rays(_tensor(np.concatenate([start, ahead], axis=1)))
        away = found["t_hit"].numpy().astype(np.float64)
        met = np.isfinite(away)
        face = np.where(met, found["primitive_ids"].numpy().astype(np.int64), -1)
        normals = np.full((len(away), 3), np.nan)
        normals[met] = self._normals(face[met], found["primitive_uvs"].numpy()[met])
        with np.errstate(invalid="ignore"):  # inf times 0 is NaN, as it should be
            places = start + ahead * away[:, None]
        places[~met] = np.nan
        return Snapped(places, normals, away, face)

    def visible(self, points: ArrayLike, camera: Camera, *, hidden_m: float = _HIDDEN_M) -> Bool:
        """Which points (N, 3) of the surface a camera sees: in its picture, and nothing of her in front of them.

        A place that the surface covers by less than `hidden_m` still counts, because marks lie on it only nearly.
        """
        asked = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        pixels, _ = camera.project(asked)
        with np.errstate(invalid="ignore"):
            inside = ((pixels > -0.5) & (pixels < (camera.width - 0.5, camera.height - 0.5))).all(axis=1)
        away = np.linalg.norm(asked - camera.centre, axis=1)
        first = self.hit(np.broadcast_to(camera.centre, asked.shape), asked - camera.centre).distance
        return np.asarray(inside & (first > away - hidden_m))

    def depth(self, camera: Camera, rays: F32) -> tuple[F32, F32]:
        """Depth (H, W) in metres along the optical axis, inf off the body, and normals (H, W, 3), unit.

        `rays` (H, W, 3) are the directions of the pixels, of length 1 along the axis.
        """
        height, width = rays.shape[:2]
        origin = np.broadcast_to(camera.centre.astype(np.float32), rays.shape)
        found = self._scene.cast_rays(_tensor(np.concatenate([origin, rays], axis=-1).reshape(-1, 6)))
        depth = found["t_hit"].numpy().reshape(height, width)
        return depth, found["primitive_normals"].numpy().reshape(height, width, 3)

    def _normals(self, face: NDArray[np.int64], uv: F32) -> Floats:
        weight = np.column_stack([1 - uv.sum(axis=1), uv])
        normals = np.einsum("nk,nkc->nc", weight, self.mesh.normals[self.mesh.faces[face]].astype(np.float64))
        return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def _tensor(values: Floats | F32) -> open3d.core.Tensor:
    import open3d as o3d

    return o3d.core.Tensor(np.ascontiguousarray(values, dtype=np.float32))
