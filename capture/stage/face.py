"""The painted face: eyes, brows, nose and mouth, with fine relief; left and right differ as her layout says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.stage.head import EYE_Y, EYE_Z, MOUTH_Z, NOSE_TIP_Z
from capture.stage.person import FaceLayout, Person
from capture.stage.surface import Surface, bell, noise, step
from capture.stage.tone import Rgb

F32 = NDArray[np.float32]


def face(surface: Surface, person: Person, points: F32) -> None:
    """Paint a face on reference-scale points (h, w, 3) of the torso, in place."""
    here = (points[..., 2] > 1.485) & (points[..., 2] < 1.645) & (points[..., 0] > 0.015)
    rows, cols = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    y, z = (np.ascontiguousarray(points[window][..., k]) for k in (1, 2))
    part = surface.part(window)
    _hollows(part, person, y, z)
    _nose(part, person, y, z)
    _mouth(part, person, y, z)
    for index, side in enumerate((1.0, -1.0)):
        dy, dz = _eye_place(person.face, index, side * y, z)
        _eye(part, person, index, _Eye.at(person.face, index, dy, dz))
        _brow(part, person, index, dy, z)


def _eye_place(layout: FaceLayout, index: int, side: F32, z: F32) -> tuple[F32, F32]:
    """Metres outward and up from the middle of an eye."""
    dy, dz = side - np.float32(EYE_Y + layout.eye_offset[index][0]), z - np.float32(EYE_Z + layout.eye_offset[index][1])
    return dy, dz


def _skin_times(person: Person, red: float, green: float, blue: float) -> Rgb:
    return (person.skin[0] * red, person.skin[1] * green, person.skin[2] * blue)


def _hollows(surface: Surface, person: Person, y: F32, z: F32) -> None:
    """Shade of sockets, under the eyes, of the folds beside nose and mouth, and the blush of the cheeks."""
    side = np.abs(y)
    socket = bell(side - 0.027, 0.020) * bell(z - 1.605, 0.010)
    inner = bell(side - 0.0145, 0.0065) * bell(z - 1.601, 0.011)
    surface.tint(0.50 * socket + 0.55 * inner, (0.72, 0.60, 0.58))
    under = bell(z - 1.5865 + 0.12 * np.square((side - 0.030) * 30) * 0.02, 0.0038) * bell(side - 0.028, 0.014)
    surface.tint(person.face.shadows * under, (0.78, 0.68, 0.74))
    surface.height[:] -= 0.0006 * under
    # From the wing of the nose to beside the corner of the mouth.
    t: F32 = np.clip((1.560 - z) / 0.030, 0, 1)
    fold = bell(side - (0.0185 + 0.0145 * t + 0.003 * np.sin(np.pi * t)), 0.0022 + 0.002) * step(1.526, 1.540, z)
    fold *= step(1.566, 1.556, z)
    surface.tint(0.16 * fold, (0.75, 0.60, 0.58))
    surface.height[:] -= 0.0007 * fold
    for way in (1.0, -1.0):
        corner = bell(way * y - person.face.lip_width - 0.0012, 0.0026) * bell(z - MOUTH_Z, 0.003)
        surface.tint(0.45 * corner, (0.6, 0.45, 0.43))
    surface.tint(0.35 * bell(y, 0.014) * bell(z - 1.5165, 0.0030), (0.74, 0.64, 0.62))
    surface.height[:] -= 0.0009 * bell(y, 0.016) * bell(z - 1.5165, 0.004)
    blush = bell(side - 0.044, 0.017) * bell(z - 1.570, 0.015)
    surface.lay((0.6 * person.face.blush * blush).astype(np.float32), person.face.lips)


def _nose(surface: Surface, person: Person, y: F32, z: F32) -> None:
    bent = y - np.float32(person.face.nose_bend) * np.clip((1.606 - z) / 0.045, 0, 1)
    side = np.abs(bent)
    # The flanks fall away from the bridge: a little darker, the bridge a little lighter.
    along = step(1.553, 1.566, z) * step(1.612, 1.598, z)
    flank = bell(side - 0.0115, 0.005) * along
    surface.tint(0.32 * flank, (0.78, 0.68, 0.66))
    surface.tint(0.5 * bell(bent, 0.0040) * along, (1.06, 1.06, 1.05))
    width = 0.0155 * person.shape.nose_width
    wing = bell(side - width, 0.0016) * bell(z - NOSE_TIP_Z + 0.0025, 0.0068)
    surface.tint(0.60 * wing, (0.55, 0.40, 0.38))
    surface.height[:] += 0.0011 * bell(side - width + 0.004, 0.0034) * bell(z - NOSE_TIP_Z + 0.003, 0.0055)
    surface.height[:] += 0.0012 * bell(bent, 0.0065) * bell(z - NOSE_TIP_Z + 0.001, 0.0065)
    below = bell(bent, 0.0135) * step(NOSE_TIP_Z - 0.0055, NOSE_TIP_Z - 0.0095, z)
    below *= step(NOSE_TIP_Z - 0.0165, NOSE_TIP_Z - 0.011, z)
    surface.tint(0.50 * below, (0.62, 0.48, 0.46))
    hole = np.hypot((side - 0.0068) / 0.0038, (z - NOSE_TIP_Z + 0.0118 - 0.15 * (side - 0.0068)) / 0.0024)
    surface.lay(0.86 * step(1.25, 0.6, hole), _skin_times(person, 0.14, 0.07, 0.06), gloss=0.2)
    groove = bell(bent, 0.0030) * step(1.5375, 1.541, z) * step(1.5525, 1.548, z)
    surface.tint(0.16 * groove, (0.76, 0.66, 0.64))
    surface.height[:] += 0.0006 * bell(side - 0.0045, 0.0022) * step(1.537, 1.541, z) * step(1.553, 1.548, z)


def _mouth(surface: Surface, person: Person, y: F32, z: F32) -> None:
    layout = person.face
    across = y / np.float32(layout.lip_width)
    level = z - np.float32(MOUTH_Z) - np.float32(layout.mouth_tilt) * y + np.float32(0.0012) * np.square(across)
    reach = np.clip(1 - np.square(across), 0, 1)
    # A cupid's bow: two peaks and a dip, a fuller lower lip, and corners that turn down a little.
    top = (0.0062 + 0.0011 * bell(np.abs(y) - 0.0052, 0.0035) - 0.0016 * bell(y, 0.0028)) * reach**0.8
    bottom = 0.0088 * layout.lip_fullness * np.square(1 - np.square(across * 0.96)).clip(0, 1) ** 0.45
    bottom = bottom * (np.abs(across) < 1)
    middle = np.float32(0.0006) * np.cos(across * 9) * reach
    upper, lower = step(-0.0007, 0.0008, top - level), step(-0.0007, 0.0009, level + bottom)
    inside = upper * lower * step(1.03, 0.97, np.abs(across))
    above = step(-0.0003, 0.0003, level - middle)
    creases = noise(person.seed + 77, y / np.float32(0.0010), level / np.float32(0.012))
    shade = (0.86 + 0.14 * (1 - above)) * (1 + 0.03 * creases)
    full = 1 + 0.20 * bell(level + 0.0042, 0.0022) * reach
    lips = np.array(layout.lips, dtype=np.float32) * (shade * full)[..., None]
    surface.lay(0.92 * inside, lips, gloss=2.6)
    surface.height[:] += inside * (0.0010 * bell(level - 0.0030, 0.0026) + 0.0016 * bell(level + 0.0042, 0.0032))
    surface.height[:] += 0.00004 * creases * inside
    line = bell(level - middle, 0.00075) * step(1.05, 0.95, np.abs(across))
    surface.tint(0.85 * line, (0.22, 0.13, 0.13))
    # Light catches the rim of the upper lip; the lower lip throws a small shade.
    rim = bell(level - top - 0.0008, 0.0008) * reach
    surface.tint(0.35 * rim, (1.12, 1.12, 1.10))
    surface.tint(0.30 * bell(level + bottom + 0.0016, 0.0018) * reach, (0.66, 0.54, 0.52))


@dataclass(frozen=True, eq=False)
class _Eye:
    """Where the texels lie in an eye."""

    dy: F32  # (h, w) metres outward from its middle
    dz: F32  # (h, w) metres up, along the tilted axis of the eye
    across: F32  # (h, w) -1 at the inner corner, 1 at the outer
    upper: F32  # (h, w) dz of the edge of the upper lid
    lower: F32  # (h, w)

    @staticmethod
    def at(layout: FaceLayout, index: int, dy: F32, dz: F32) -> _Eye:
        width = np.float32(layout.eye_width * (1.02 if index == 0 else 0.98))
        across = dy / width
        lift = dz - np.float32(layout.eye_tilt) * dy
        # The upper lid is highest toward the nose, the lower one lowest toward the temple.
        high = np.clip(1 - np.square((across + 0.12) / np.where(across < -0.12, 0.88, 1.12)), 0, 1)
        low = np.clip(1 - np.square((across - 0.15) / np.where(across < 0.15, 1.15, 0.85)), 0, 1)
        opening = np.float32(layout.eye_opening[index])
        return _Eye(dy, lift, across, 0.0056 * opening * high**0.72, -0.0043 * opening * low**0.80)


def _eye(surface: Surface, person: Person, index: int, eye: _Eye) -> None:
    reach = np.clip(1 - np.square(eye.across), 0, 1)
    near = step(1.30, 1.02, np.abs(eye.across))
    # Crease and fold of the upper lid, then the lid itself, catching light.
    crease = bell(eye.dz - eye.upper - (0.0040 + 0.0012 * reach), 0.0011) * step(1.25, 0.8, np.abs(eye.across))
    surface.tint(0.50 * crease, (0.50, 0.36, 0.34))
    surface.height[:] -= 0.0008 * crease
    surface.height[:] += 0.0011 * bell(eye.dz - eye.upper - 0.0016, 0.0024) * near
    pouch = bell(eye.dz - eye.lower + 0.0028, 0.0018) * near
    surface.height[:] += 0.0006 * pouch
    surface.tint(0.25 * pouch, (1.06, 0.99, 0.98))
    _ball(surface, person, index, eye)
    # Lashes: a line that grows outward, with single hairs above and, fainter, below.
    thick = 0.00065 + 0.00045 * step(-1, 1, eye.across)
    hairs = noise(person.seed + 31 + index, eye.dy / np.float32(0.0009), eye.dz / np.float32(0.02))
    rise = eye.dz - eye.upper
    line = bell(rise - 0.0003, 1.0) * step(1.0, 0.0, np.abs(rise - 0.0003) / thick / 1.6)
    surface.lay(0.95 * line * step(1.06, 1.0, np.abs(eye.across)), (0.010, 0.008, 0.007), gloss=0.6)
    fringe = step(0.1, 1.0, hairs) * step(-0.0002, 0.0004, rise) * step(0.0038, 0.0012, rise)
    wing = step(1.22, 1.0, np.abs(eye.across)) * step(-1.0, 0.3, eye.across)
    surface.lay(0.60 * fringe * wing, (0.012, 0.009, 0.008))
    drop = eye.lower - eye.dz
    surface.tint(0.55 * bell(drop - 0.0004, 0.0006) * step(1.0, 0.9, np.abs(eye.across)), (0.40, 0.28, 0.27))
    under = step(0.2, 1.0, hairs) * bell(drop - 0.0010, 0.0009) * step(1.05, 0.9, np.abs(eye.across))
    surface.tint(0.35 * under, (0.4, 0.35, 0.35))


def _ball(surface: Surface, person: Person, index: int, eye: _Eye) -> None:
    """White, tear corner, iris, pupil and the light that an eye catches, inside the lids."""
    inside = step(-0.0004, 0.0005, np.minimum(eye.upper - eye.dz, eye.dz - eye.lower))
    inside *= step(1.02, 0.98, np.abs(eye.across))
    # Round: darker to the corners, and under the lid.
    shade = (1 - 0.36 * np.square(eye.across)) * (0.50 + 0.50 * step(-0.0004, 0.0034, eye.upper - eye.dz))
    white = np.array((0.44, 0.40, 0.375), dtype=np.float32) * shade[..., None]
    surface.lay(inside, white, gloss=2.2, scatter=0.4)
    surface.tint(inside * step(0.5, 1.0, np.abs(eye.across)), (1.0, 0.80, 0.78))
    tear = bell(eye.across + 0.93, 0.13) * inside
    surface.lay(0.8 * tear, _skin_times(person, 0.85, 0.45, 0.42))
    gaze = np.float32(person.face.gaze * (1 if index == 0 else -1))
    iy, iz = eye.dy - gaze + np.float32(0.0004), eye.dz - np.float32(0.0009)
    radius, angle = np.hypot(iy, iz), np.arctan2(iz, iy)
    size = np.float32(0.0060)
    fibres = noise(person.seed + 41, angle * np.float32(7), radius / np.float32(0.004))
    glow = 0.72 + 0.24 * fibres + 0.42 * bell(radius - 0.0030, 0.0011) - 0.72 * step(0.0046, 0.0060, radius)
    # Light enters from above and brightens the iris opposite.
    glow *= (1 - 0.35 * iz / size) * (0.45 + 0.55 * step(-0.0002, 0.0030, eye.upper - eye.dz))
    iris = np.array(person.face.iris, dtype=np.float32) * np.clip(glow, 0.1, 2.2)[..., None]
    surface.lay(inside * step(0.0063, 0.0056, radius), iris)
    surface.lay(inside * step(0.0026, 0.0020, radius), (0.004, 0.004, 0.004))
    # The same side in both eyes, as one window would do it.
    way = 1.0 if index == 0 else -1.0
    spot = np.hypot(way * iy - 0.0017, iz - 0.0018)
    surface.lay(0.95 * inside * step(0.00125, 0.0007, spot), (1.0, 1.0, 1.0))
    second = np.hypot(way * iy + 0.0022, iz + 0.0026)
    surface.lay(0.25 * inside * step(0.0012, 0.0004, second), (0.8, 0.8, 0.85))


def _brow(surface: Surface, person: Person, index: int, dy: F32, z: F32) -> None:
    layout = person.face
    along = np.clip((dy + 0.0175) / 0.041, 0, 1)  # 0 at the nose, 1 at the temple
    arch = EYE_Z + layout.brow_height[index] - 0.0012 + layout.brow_arch * np.sin(np.pi * along**1.35)
    arch = arch - 0.0055 * along**2.2
    half = (0.0034 - 0.0024 * along**1.4) * layout.brow_weight
    offset = z - arch
    body = step(1.25, 0.55, np.abs(offset) / half) * step(-0.021, -0.0150, dy) * step(0.0262, 0.019, dy)
    # Hairs rise at the nose and lie flat toward the temple.
    lean = (1.4 - 1.5 * along).astype(np.float32)
    hair = noise(person.seed + 51 + index, (offset - lean * dy) / np.float32(0.0009), dy / np.float32(0.006))
    stroke = np.clip(0.50 + 0.34 * hair, 0, 1) * body
    colour: Rgb = tuple(0.35 * c + 0.07 * s for c, s in zip(person.hair, person.skin, strict=True))  # type: ignore[assignment]
    surface.lay((0.9 * stroke).astype(np.float32), colour, gloss=0.7)
    surface.height[:] += (0.0002 * stroke).astype(np.float32)
