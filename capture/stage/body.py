"""The rest-pose body: a few generalised cylinders (tubes), each a regular grid of points with its own texture patch.

Canonical coordinates: metres, standing at the origin, looking along +x, left hand toward +y, z up, arms lowered
18 degrees from vertical. Row 0 of a tube is its top; columns run counter-clockwise seen from above, the seam is at
the back. All lengths are written for a height of 1.70 m and scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.stage.curves import interpolate, smoothstep
from capture.stage.fall import fall_path, finger_path
from capture.stage.head import head_relief

F64 = NDArray[np.float64]

REFERENCE_HEIGHT_M = 1.70
ARM_REST_DEG = 18.0
ATLAS = 1024
_PAD = 2  # texels kept around a patch so that bilinear reads never mix two patches

BONES = (
    "pelvis", "chest", "head",
    "upper_arm_left", "forearm_left", "upper_arm_right", "forearm_right",
    "thigh_left", "shin_left", "foot_left", "thigh_right", "shin_right", "foot_right",
)  # fmt: skip
BONE = {name: i for i, name in enumerate(BONES)}

# x0, y0, width, height in texels of a 1024 atlas
PATCHES = {
    "torso": (0, 0, 640, 1024),
    "arm_left": (640, 0, 192, 480),
    "arm_right": (832, 0, 192, 480),
    "leg_left": (640, 480, 192, 320),
    "leg_right": (832, 480, 192, 320),
    "fall": (640, 800, 384, 160),
    "bun": (640, 960, 96, 64),
    **{f"finger_{tag}_{k}": (736 + 24 * (5 * i + k), 960, 24, 64) for i, tag in enumerate(("left", "right"))
       for k in range(5)},
}  # fmt: skip


@dataclass(frozen=True)
class BodyShape:
    """Proportions: height in metres, everything else a factor around 1 (or metres where the name says so)."""

    height_m: float = 1.70
    hips: float = 1.0
    waist: float = 1.0
    bust: float = 1.0
    shoulders: float = 1.0
    neck: float = 1.0
    jaw: float = 1.0
    limbs: float = 1.0
    nose_m: float = 0.017
    nose_width: float = 1.0
    cheeks_m: float = 0.003
    hair_volume_m: float = 0.014
    hair_style: str = "short"
    hairline_m: float = 1.652
    parting_y_m: float = 0.02

    @property
    def scale(self) -> float:
        """Factor from reference lengths to this body's metres."""
        return self.height_m / REFERENCE_HEIGHT_M


@dataclass(frozen=True, eq=False)
class Tube:
    """One tube in the rest pose."""

    name: str
    points: F64  # (R, C, 3) metres, canonical; column C-1 repeats column 0
    weights: F64  # (R, C, 13) share of each bone, sums to 1
    patch: tuple[int, int, int, int]  # texels

    @property
    def uv(self) -> F64:
        """(R, C, 2) atlas texels, pixel centres at integers."""
        rows, cols = self.points.shape[:2]
        x0, y0, width, height = self.patch
        u = x0 + _PAD + np.linspace(0, 1, cols) * (width - 1 - 2 * _PAD)
        v = y0 + _PAD + np.linspace(0, 1, rows) * (height - 1 - 2 * _PAD)
        return np.stack(np.meshgrid(u, v), axis=-1)


# z, half width (y), front (+x), back (-x), superellipse exponent; one line per level, crown excluded
_TORSO = np.array(
    [
        [0.735, 0.055, 0.045, 0.050, 2.0],
        [0.755, 0.130, 0.088, 0.092, 2.1],
        [0.800, 0.166, 0.104, 0.112, 2.2],
        [0.880, 0.176, 0.108, 0.116, 2.3],
        [0.960, 0.160, 0.104, 0.100, 2.3],
        [1.060, 0.124, 0.092, 0.084, 2.3],
        [1.140, 0.130, 0.096, 0.092, 2.3],
        [1.220, 0.142, 0.100, 0.102, 2.4],
        [1.290, 0.154, 0.094, 0.104, 2.4],
        [1.330, 0.168, 0.084, 0.098, 2.3],
        [1.360, 0.176, 0.072, 0.090, 2.1],
        [1.382, 0.166, 0.062, 0.084, 2.0],
        [1.400, 0.138, 0.055, 0.079, 2.0],
        [1.418, 0.098, 0.051, 0.073, 2.0],
        [1.438, 0.062, 0.047, 0.066, 2.0],
        [1.462, 0.051, 0.050, 0.060, 2.0],
        [1.480, 0.050, 0.056, 0.060, 2.0],
        [1.490, 0.049, 0.070, 0.061, 1.9],
        [1.500, 0.0505, 0.083, 0.064, 1.85],
        [1.515, 0.0555, 0.089, 0.068, 1.95],
        [1.550, 0.0640, 0.092, 0.080, 2.15],
        [1.600, 0.072, 0.093, 0.091, 2.2],
        [1.630, 0.074, 0.090, 0.095, 2.1],
    ]
)
_CROWN_FROM = 1.630
_CROWN_SEMI = 0.070

# distance along the limb, radius along e1 (fore-aft), radius along e2 (sideways)
_ARM = np.array(
    [
        [0.000, 0.004, 0.004],
        [0.006, 0.018, 0.017],
        [0.020, 0.034, 0.030],
        [0.045, 0.047, 0.041],
        [0.075, 0.052, 0.046],
        [0.110, 0.050, 0.045],
        [0.180, 0.043, 0.039],
        [0.310, 0.036, 0.035],
        [0.370, 0.039, 0.036],
        [0.450, 0.033, 0.030],
        [0.555, 0.026, 0.021],
        [0.600, 0.036, 0.018],
        [0.640, 0.0375, 0.0145],
        [0.662, 0.033, 0.012],
        [0.674, 0.012, 0.006],
    ]
)
_LEG = np.array(
    [
        [0.000, 0.010, 0.010],
        [0.020, 0.070, 0.060],
        [0.100, 0.092, 0.084],
        [0.250, 0.076, 0.071],
        [0.420, 0.056, 0.053],
        [0.470, 0.053, 0.050],
        [0.560, 0.056, 0.052],
        [0.700, 0.042, 0.038],
        [0.820, 0.034, 0.031],
        [0.880, 0.036, 0.036],
        [0.950, 0.027, 0.043],
        [1.020, 0.018, 0.040],
        [1.050, 0.003, 0.010],
    ]
)


def _torso_levels() -> F64:
    """(96, 5) levels from the crown down: z, half width, front, back, exponent."""
    angle = np.linspace(np.pi / 2 - 0.02, 0.0, 17)
    base = interpolate(_TORSO, np.array([_CROWN_FROM]))[0]
    crown = np.column_stack(
        [
            _CROWN_FROM + _CROWN_SEMI * np.sin(angle),
            *(np.outer(base[:3], np.cos(angle))),
            np.full(len(angle), base[3]),
        ]
    )
    below = np.concatenate([np.linspace(1.626, 1.43, 36), np.linspace(1.418, 0.735, 44)])
    return np.vstack([crown[:-1], np.column_stack([below, interpolate(_TORSO, below)])])


def _torso(shape: BodyShape) -> Tube:
    levels = _torso_levels()
    z, width, front, back, power = levels.T

    def bell(centre: float, spread: float) -> F64:
        return np.asarray(np.exp(-(((z - centre) / spread) ** 2)))

    width = width * (
        1 + (shape.hips - 1) * bell(0.86, 0.12) + (shape.waist - 1) * bell(1.06, 0.08)
        + (shape.shoulders - 1) * bell(1.35, 0.06) + (shape.neck - 1) * bell(1.455, 0.025)
        + (shape.jaw - 1) * bell(1.515, 0.035)
    )  # fmt: skip
    front = front * (1 + (shape.waist - 1) * bell(1.06, 0.10) + (shape.neck - 1) * bell(1.45, 0.02))
    # Columns crowd toward the face, where small features need them.
    s = np.linspace(-np.pi, np.pi, 69)
    theta = s - 0.30 * np.sin(s)
    cos, sin = np.cos(theta)[None, :], np.sin(theta)[None, :]
    depth = np.where(cos >= 0, front[:, None], back[:, None])
    n = power[:, None]
    radius = (np.abs(cos / depth) ** n + np.abs(sin / width[:, None]) ** n) ** (-1 / n)
    points = np.stack([radius * cos, radius * sin, np.broadcast_to(z[:, None], radius.shape)], axis=-1)
    points = points + _torso_relief(points, shape)
    points = points + head_relief(points, shape)
    weights = np.zeros((*points.shape[:2], len(BONES)))
    level = points[..., 2]
    chest, head = smoothstep(0.98, 1.14, level), smoothstep(1.43, 1.52, level)
    weights[..., BONE["pelvis"]] = 1 - chest
    weights[..., BONE["chest"]] = chest - head
    weights[..., BONE["head"]] = head
    points[:, -1] = points[:, 0]
    return Tube("torso", points * shape.scale, weights, PATCHES["torso"])


def _torso_relief(points: F64, shape: BodyShape) -> F64:
    """(R, C, 3) offsets of bust, buttocks, shoulder blades and collar bones."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    facing, rear = smoothstep(0.0, 0.05, x), smoothstep(0.0, -0.05, x)
    side = np.abs(y)
    bust = 0.036 * shape.bust * np.exp(-(((side - 0.070) / 0.050) ** 2) - ((z - 1.215) / 0.055) ** 2)
    seat = 0.034 * shape.hips * np.exp(-(((side - 0.075) / 0.060) ** 2) - ((z - 0.850) / 0.070) ** 2)
    blade = 0.007 * np.exp(-(((side - 0.075) / 0.035) ** 2) - ((z - 1.300) / 0.050) ** 2)
    spine = -0.006 * np.exp(-((y / 0.016) ** 2)) * smoothstep(0.95, 1.05, z) * smoothstep(1.42, 1.34, z)
    collar = 0.004 * np.exp(-(((z - 1.378 - 0.10 * (side - 0.06)) / 0.010) ** 2)) * smoothstep(0.02, 0.04, side)
    collar = collar * smoothstep(0.15, 0.11, side)
    out = np.zeros_like(points)
    out[..., 0] = facing * (bust + collar) - rear * (seat + blade + spine)
    return out


def _limb(path: F64, radii: F64, side: F64, columns: int = 23) -> F64:
    """(R, C, 3) points of a limb around path (R, 3); side (3,) is the direction of the second radius."""
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    e1 = np.cross(side, -direction)
    e1 /= np.linalg.norm(e1, axis=1, keepdims=True)
    e2 = np.cross(-direction, e1)
    theta = np.linspace(-np.pi, np.pi, columns)
    # e1 x e2 points up the limb, so that columns run counter-clockwise seen from its top.
    ring = radii[:, None, :1] * np.cos(theta)[None, :, None] * e1[:, None, :]
    ring = ring + radii[:, None, 1:] * np.sin(theta)[None, :, None] * e2[:, None, :]
    points = path[:, None, :] + ring
    points[:, -1] = points[:, 0]
    return points


def _arm(shape: BodyShape, side: int) -> Tube:
    lean = np.radians(ARM_REST_DEG)
    down = np.array([0.0, side * np.sin(lean), -np.cos(lean)])
    along = np.concatenate([[0.0, 0.006, 0.016, 0.03], np.linspace(0.05, 0.645, 30), [0.656, 0.666, 0.674]])
    start = shoulder_joint(shape, side) - 0.048 * down
    # The forearm hangs a little forward, as a relaxed arm does.
    forward = 0.035 * smoothstep(0.30, 0.70, along)
    path = start + along[:, None] * down + forward[:, None] * np.array([1.0, 0.0, 0.0])
    radii = interpolate(_ARM, along) * shape.limbs
    across = np.array([0.0, np.cos(lean), side * np.sin(lean)])
    points = _limb(path, radii, across)
    tag = "left" if side > 0 else "right"
    weights = np.zeros((*points.shape[:2], len(BONES)))
    bend = smoothstep(0.28, 0.36, along)[:, None]
    weights[..., BONE[f"upper_arm_{tag}"]] = 1 - bend
    weights[..., BONE[f"forearm_{tag}"]] = bend
    return Tube(f"arm_{tag}", points * shape.scale, weights, PATCHES[f"arm_{tag}"])


def _leg(shape: BodyShape, side: int) -> Tube:
    along = np.concatenate([[0.0, 0.01, 0.03, 0.06], np.linspace(0.09, 0.80, 24), np.linspace(0.83, 1.05, 12)])
    bend = 0.865
    # Straight down to the ankle, then a quarter turn forward into the foot.
    turn = smoothstep(bend - 0.05, bend + 0.05, along)
    step = np.diff(along, prepend=0.0)[:, None]
    heading = np.column_stack([turn, np.zeros_like(turn), -(1 - turn)])
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    path = np.array([-0.005, side * 0.088, 0.90]) + np.cumsum(step * heading, axis=0)
    path[:, 1] += side * 0.012 * smoothstep(0.0, 0.4, along)
    path[:, 2] += 0.02 - path[-1, 2]
    radii = interpolate(_LEG, along) * np.where(along < 0.85, shape.limbs, 1.0)[:, None]
    points = _limb(path, radii, np.array([0.0, 1.0, 0.0]))
    points[..., 2] = np.maximum(points[..., 2], 0.0)
    tag = "left" if side > 0 else "right"
    weights = np.zeros((*points.shape[:2], len(BONES)))
    knee = smoothstep(0.40, 0.48, along)[:, None]
    ankle = smoothstep(0.80, 0.88, along)[:, None]
    weights[..., BONE[f"thigh_{tag}"]] = 1 - knee
    weights[..., BONE[f"shin_{tag}"]] = knee - ankle
    weights[..., BONE[f"foot_{tag}"]] = ankle
    return Tube(f"leg_{tag}", points * shape.scale, weights, PATCHES[f"leg_{tag}"])


def _bun(shape: BodyShape) -> Tube:
    """A knot of hair behind the crown; for other hair styles it stays inside the head."""
    size = 0.036 if shape.hair_style == "bun" else 0.012
    centre = np.array([-0.112, 0.0, 1.648]) if shape.hair_style == "bun" else np.array([-0.03, 0.0, 1.60])
    polar = np.linspace(0.02, np.pi - 0.02, 12)[:, None]
    theta = np.linspace(-np.pi, np.pi, 17)[None, :]
    ones = np.ones_like(theta)
    points = centre + size * np.stack(
        [np.sin(polar) * np.cos(theta), np.sin(polar) * np.sin(theta), 0.9 * np.cos(polar) * ones], axis=-1
    )
    points[:, -1] = points[:, 0]
    weights = np.zeros((*points.shape[:2], len(BONES)))
    weights[..., BONE["head"]] = 1.0
    return Tube("bun", points * shape.scale, weights, PATCHES["bun"])


def _fall(shape: BodyShape) -> tuple[Tube, ...]:
    """Hair down the back, over a shoulder or in a tail; nothing for other styles."""
    table = fall_path(shape)
    if table is None:
        return ()
    knots = np.linspace(0, 1, len(table))
    smooth = interpolate(np.column_stack([knots, table]), np.linspace(0, 1, 30))
    points = _limb(smooth[:, :3], smooth[:, 3:], np.array([0.0, 1.0, 0.0]), 41)
    # Locks: grooves along the hair, and tips of unequal length.
    turn = np.linspace(-np.pi, np.pi, 41)
    lock = np.sin(5 * turn + 1) + 0.7 * np.sin(9 * turn + 2) + 0.5 * np.sin(14 * turn)
    middle = points[:, :-1].mean(axis=1, keepdims=True)
    down = smoothstep(0.1, 0.8, np.linspace(0, 1, 30))[:, None]
    points = middle + (points - middle) * (1 + 0.05 * down * lock)[..., None]
    points[..., 2] -= 0.010 * smoothstep(0.75, 1.0, np.linspace(0, 1, 30))[:, None] * lock
    points[:, -1] = points[:, 0]
    weights = np.zeros((*points.shape[:2], len(BONES)))
    head = smoothstep(1.43, 1.52, points[..., 2])
    weights[..., BONE["head"]], weights[..., BONE["chest"]] = head, 1 - head
    return (Tube("fall", points * shape.scale, weights, PATCHES["fall"]),)


def _fingers(shape: BodyShape, side: int) -> tuple[Tube, ...]:
    lean = np.radians(ARM_REST_DEG)
    down = np.array([0.0, side * np.sin(lean), -np.cos(lean)])
    outward = np.array([0.0, side * np.cos(lean), np.sin(lean)])
    start, tag = shoulder_joint(shape, side) - 0.048 * down, "left" if side > 0 else "right"
    tubes = []
    for k in range(5):
        path, radii = finger_path(k, down, outward, start)
        points = _limb(path, radii * shape.limbs, np.array([0.0, np.cos(lean), side * np.sin(lean)]), 9)
        weights = np.zeros((*points.shape[:2], len(BONES)))
        weights[..., BONE[f"forearm_{tag}"]] = 1.0
        name = f"finger_{tag}_{k}"
        tubes.append(Tube(name, points * shape.scale, weights, PATCHES[name]))
    return tuple(tubes)


def shoulder_joint(shape: BodyShape, side: int) -> F64:
    """(3,) shoulder centre at reference scale; side is +1 for her left."""
    return np.array([-0.010, side * 0.156 * shape.shoulders, 1.345])


def rest_joints(shape: BodyShape) -> dict[str, F64]:
    """Joint centres in canonical metres, by the bone that starts there, and the limb ends."""
    lean = np.radians(ARM_REST_DEG)
    joints = {
        "pelvis": np.array([0.0, 0.0, 0.92]),
        "chest": np.array([0.0, 0.0, 1.06]),
        "head": np.array([0.0, 0.0, 1.46]),
    }
    for tag, side in (("left", 1), ("right", -1)):
        down = np.array([0.0, side * np.sin(lean), -np.cos(lean)])
        shoulder = shoulder_joint(shape, side)
        joints[f"upper_arm_{tag}"] = shoulder
        joints[f"forearm_{tag}"] = shoulder + 0.285 * down
        joints[f"wrist_{tag}"] = shoulder + 0.52 * down + np.array([0.025, 0.0, 0.0])
        joints[f"thigh_{tag}"] = np.array([0.0, side * 0.090, 0.88])
        joints[f"shin_{tag}"] = np.array([-0.005, side * 0.100, 0.48])
        joints[f"foot_{tag}"] = np.array([-0.005, side * 0.100, 0.075])
        joints[f"toe_{tag}"] = np.array([0.14, side * 0.100, 0.02])
    return {name: value * shape.scale for name, value in joints.items()}


@lru_cache(maxsize=64)
def build_body(shape: BodyShape) -> tuple[Tube, ...]:
    """The tubes of one body in the rest pose, torso and limbs first."""
    limbs = (_arm(shape, 1), _arm(shape, -1), _leg(shape, 1), _leg(shape, -1))
    return (_torso(shape), *limbs, _bun(shape), *_fall(shape), *_fingers(shape, 1), *_fingers(shape, -1))
