"""Her movement drawn as stick figures, seen from her right side and large enough to be judged from two metres."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from calibration.motion.contacts import Contacts
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from capture.motion.clip import JointTrack

F64 = NDArray[np.float64]

CSS = (
    ".walk{background:#fff}.walk path{fill:none;stroke-linecap:round;stroke-linejoin:round}"
    ".walk .trunk{stroke:#1d1d1b;stroke-width:5}.walk .left{stroke:#1f6fb2;stroke-width:4.5}"
    ".walk .right{stroke:#c4601a;stroke-width:4.5}.walk .floor{stroke:#bbb;stroke-width:1.5}"
    ".walk circle{fill:#fff;stroke:#1d1d1b;stroke-width:4}.walk .stands{stroke:#1c6b3c;stroke-width:9}"
)
_WIDTH, _HIGHEST = 1176, 700  # CSS pixels
_MARGIN = 50
_POSES = 7
_HEAD_M = 0.09
_SPREAD_M = 0.62  # between poses of someone who walks on the spot


def stick_figures(track: JointTrack, contacts: Contacts | None = None) -> Markup:
    """An SVG of poses evenly spread over a canonical track; joints that are not known are not drawn.

    A foot that stands is underlined. Empty where no frame shows two joints of a bone.
    """
    known = np.isfinite(track.places).all(axis=2)
    shown = np.flatnonzero(known.sum(axis=1) > len(CANONICAL) // 2)
    if not len(shown):
        return Markup("")
    chosen = shown[np.unique(np.linspace(0, len(shown) - 1, _POSES).astype(int))]
    flat = _from_her_side(track)[chosen]
    middle = np.nanmedian(flat[..., 0], axis=1)
    step = abs(middle[-1] - middle[0]) / max(len(chosen) - 1, 1)
    if step < _SPREAD_M:
        flat[..., 0] += (np.arange(len(chosen)) * _SPREAD_M - middle)[:, None]
    low, high = np.nanmin(flat, axis=(0, 1)), np.nanmax(flat, axis=(0, 1)) + (0.0, 2 * _HEAD_M)
    scale = min((_WIDTH - 2 * _MARGIN) / (high[0] - low[0]), (_HIGHEST - 2 * _MARGIN) / (high[1] - low[1]))
    left = (_WIDTH - scale * (high[0] + low[0])) / 2
    height = round(scale * (high[1] - low[1])) + 2 * _MARGIN
    floor = height - _MARGIN
    pixels = np.stack([left + scale * flat[..., 0], floor - scale * (flat[..., 1] - low[1])], axis=-1)
    parts = [
        Markup(
            '<svg class="plot walk" viewBox="0 0 {} {}" role="img" aria-label="stick figures of her movement">'
        ).format(_WIDTH, height),
        Markup('<path class="floor" d="M{} {}H{}"/>').format(_MARGIN // 2, floor + 8, _WIDTH - _MARGIN // 2),
    ]
    for frame, joints in zip(chosen, pixels, strict=True):
        parts.append(_figure(joints, _HEAD_M * scale, _standing(contacts, int(frame))))
        label = Markup('<text class="mid" x="{:.0f}" y="{}">{:.2f} s</text>')
        parts.append(label.format(float(np.nanmedian(joints[:, 0])), height - 14, frame / track.fps))
    return Markup("").join([*parts, Markup("</svg>")])


def _standing(contacts: Contacts | None, frame: int) -> tuple[str, ...]:
    if contacts is None or frame >= len(contacts.left):
        return ()
    sides = (("left", contacts.left[frame]), ("right", contacts.right[frame]))
    return tuple(side for side, stands in sides if stands)


def _from_her_side(track: JointTrack) -> F64:
    """(T, J, 2) metres forward and up; forward is across her hips in the middle of the track, or along her way."""
    across = track.of("hip_left") - track.of("hip_right")
    known = np.isfinite(across).all(axis=1)
    side = np.median(across[known], axis=0) if known.any() else np.zeros(3)
    forward = np.array([side[1], -side[0]])
    if not forward.any():
        forward = np.array([1.0, 0.0])
    forward /= np.linalg.norm(forward)
    return np.stack([track.places[..., :2] @ forward, track.places[..., 2]], axis=-1)


def _figure(joints: F64, head_px: float, standing: tuple[str, ...]) -> Markup:
    lines: dict[str, list[str]] = {"trunk": [], "left": [], "right": [], "stands": []}
    for k, parent in enumerate(CANONICAL_PARENTS[1:], 1):
        (x, y), (px, py) = joints[k], joints[parent]
        if not np.isfinite([x, y, px, py]).all():
            continue
        part, _, side = CANONICAL[k].partition("_")
        lines[side or "trunk"].append(f"M{px:.1f} {py:.1f}L{x:.1f} {y:.1f}")
        if part == "toe" and side in standing:
            lines["stands"].append(f"M{px - 6:.1f} {max(py, y) + 8:.1f}H{x + 6:.1f}")
    # The far side first, so that the near one lies over it: she walks to the right of the picture.
    drawn = [
        Markup('<path class="{}" d="{}"/>').format(name, "".join(lines[name]))
        for name in ("stands", "left", "trunk", "right")
        if lines[name]
    ]
    x, y = joints[CANONICAL.index("head")]
    if np.isfinite([x, y]).all():
        drawn.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(x, y - 0.4 * head_px, head_px))
    return Markup("").join(drawn)
