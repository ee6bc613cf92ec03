"""Cameras and lights of the stage; exact projection with Brown distortion, OpenCV axes, pixel centres at integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.tone import Rgb

F64 = NDArray[np.float64]
Pose = tuple[tuple[float, ...], ...]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class StageCamera:
    """A camera: size and intrinsics in pixels, distortion k1, k2, p1, p2, k3, pose as a nested 4 x 4 tuple."""

    id: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    world_from_camera: Pose = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))

    @property
    def pose(self) -> F64:
        """(4, 4) world_from_camera as an array."""
        return np.array(self.world_from_camera)

    @property
    def position(self) -> F64:
        """(3,) centre in world metres."""
        return self.pose[:3, 3]

    @property
    def matrix(self) -> F64:
        """(3, 3) intrinsics."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def moved(self, world_from_camera: F64) -> StageCamera:
        """The same camera elsewhere."""
        return replace(self, world_from_camera=pose_tuple(world_from_camera))


@dataclass(frozen=True)
class StageLight:
    """A directional light: where it comes from (degrees, world), linear RGB colour, strength, and the ambient share."""

    id: str
    azimuth_deg: float
    elevation_deg: float
    colour: Rgb = (1.0, 1.0, 1.0)
    intensity: float = 0.75
    ambient: float = 0.22

    @property
    def direction(self) -> F64:
        """(3,) unit vector toward the light."""
        a, e = np.radians(self.azimuth_deg), np.radians(self.elevation_deg)
        return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])


def pose_tuple(pose: F64) -> Pose:
    """A hashable copy of a (4, 4) pose."""
    return tuple(tuple(float(value) for value in row) for row in pose)


def look_at(position: F64, target: F64, roll_deg: float = 0.0) -> F64:
    """(4, 4) world_from_camera of a camera at a point looking at another, image up toward world z, then rolled."""
    forward = np.asarray(target, dtype=np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-9:
        raise ValueError("camera looks straight up or down: its up direction is undefined; move it off the axis")
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([c * right + s * down, c * down - s * right, forward])
    pose[:3, 3] = position
    return pose


def _distort(x: F64, y: F64, camera: StageCamera) -> tuple[F64, F64]:
    k1, k2, p1, p2, k3 = camera.distortion
    # The polynomial folds back far outside the picture; hold its radius there.
    corner = (max(camera.cx, camera.width - camera.cx) / camera.fx) ** 2
    corner += (max(camera.cy, camera.height - camera.cy) / camera.fy) ** 2
    r2 = np.minimum(x * x + y * y, 2.0 * corner)
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def image_points(camera: StageCamera, world: F64) -> tuple[F64, F64]:
    """Pixels (N, 2) and depths (N,) in metres of world points (N, 3); depths <= 0 are behind the camera."""
    pose = camera.pose
    local = (world - pose[:3, 3]) @ pose[:3, :3]
    depth = local[:, 2]
    safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    x, y = local[:, 0] / safe, local[:, 1] / safe
    if any(camera.distortion):
        x, y = _distort(x, y, camera)
    return np.column_stack([camera.fx * x + camera.cx, camera.fy * y + camera.cy]), depth


_NODE_PX = 4  # spacing of exactly undistorted nodes; bilinear between them errs by under 1e-3 px for mild lenses


def pixel_rays(camera: StageCamera, box: Box, supersample: int = 1) -> NDArray[np.float32]:
    """Directions (h*s, w*s, 3) in world axes through samples of a pixel box, s x s per pixel; camera-axis z is 1.

    The box is x0, y0, x1, y1, half open. Samples sit at the centres of the s x s cells of each pixel.
    """
    x0, y0, x1, y1 = box
    u = (np.arange((x1 - x0) * supersample) + 0.5) / supersample - 0.5 + x0
    v = (np.arange((y1 - y0) * supersample) + 0.5) / supersample - 0.5 + y0
    if not any(camera.distortion):
        x, y = np.meshgrid((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
    else:
        nodes_u = np.arange(x0 - 1, x1 + 1 + _NODE_PX, _NODE_PX, dtype=np.float64)
        nodes_v = np.arange(y0 - 1, y1 + 1 + _NODE_PX, _NODE_PX, dtype=np.float64)
        pixels = np.stack(np.meshgrid(nodes_u, nodes_v), axis=-1)
        nodes = undistorted(camera, pixels.reshape(-1, 2)).reshape(pixels.shape)
        at_u, at_v = (u - nodes_u[0]) / _NODE_PX, (v - nodes_v[0]) / _NODE_PX
        x, y = (_bilinear(nodes[..., k], at_u, at_v) for k in range(2))
    pose = camera.pose[:3, :3].astype(np.float32)
    rays = x.astype(np.float32)[..., None] * pose[:, 0]
    rays += y.astype(np.float32)[..., None] * pose[:, 1]
    rays += pose[:, 2]
    return rays


def undistorted(camera: StageCamera, pixels: F64) -> F64:
    """Normalised image coordinates (N, 2) of pixels (N, 2)."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-12)
    points = pixels.reshape(-1, 1, 2).astype(np.float64)
    out = cv2.undistortPoints(points, camera.matrix, np.array(camera.distortion), None, None, None, criteria)
    return np.asarray(out, dtype=np.float64).reshape(-1, 2)


def _bilinear(nodes: F64, at_u: F64, at_v: F64) -> F64:
    """Values of a node grid on the grid of fractional columns at_u and rows at_v, in double precision."""
    i, j = at_v.astype(int), at_u.astype(int)
    rows = nodes[i] + (at_v - i)[:, None] * (nodes[i + 1] - nodes[i])
    out: F64 = rows[:, j] + (at_u - j) * (rows[:, j + 1] - rows[:, j])
    return out
