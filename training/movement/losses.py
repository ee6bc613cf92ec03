"""What a movement is learned by: clean frames, how they change, where the feet are, and that a standing one stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from training.movement.base import MovementBase
from training.movement.features import FEET, PER_ROOT
from training.movement.windows import Windows

_CHAIN = tuple(
    CANONICAL.index(name) for name in ("pelvis", *(f"{j}_{s}" for j in ("hip", "knee", "ankle", "toe")
                                                   for s in ("left", "right")))
)  # fmt: skip
_FEET = tuple(CANONICAL.index(name) for name in FEET)
# Of her way and height: four of 116 numbers that every standing foot depends on. Normalised by how people's speeds
# differ, what a step adds to them is a tenth as large as what it adds to a joint.
_ROOT, _ROOT_WEIGHT = 4, 8.0
_CALM = 0.05  # share of noise below which a window counts no more for seeing clearly


@dataclass(frozen=True)
class Weights:
    """What counts beside the rows themselves; 0 leaves a term out."""

    change: float  # of the rows from frame to frame
    standing: float  # of the speed of feet that stand, leg lengths per second
    feet: float  # of where the feet are under her, leg lengths


def frame_errors(
    model: MovementBase, made: Tensor, windows: Windows, weights: Weights, *, signal: Tensor | None = None
) -> Tensor:
    """(B,) the loss of each window. `made` are normalised rows (B, W, ROW) as the base predicts them.

    Mean squared error of the rows, those of her way and height with more weight; by `weights` the same of their change
    from frame to frame, of the speed of feet that stand against the speed they had, and of where all feet are (MDM's
    geometric losses). A foot swings two centimetres over the floor at the end of five joints: to the rows that is next
    to nothing, to how she walks it is a lot.
    `signal` (B,) is the share of the movement in what the base saw. In pure noise it can only make the mean pose, whose
    feet stand still under her: asked there for feet that do not slide, a base learns not to move on (it gave a
    twentieth of the speed asked for).
    """
    target, mask = model.normalised(windows.rows), windows.asked.mask
    counts = torch.ones(made.shape[2], device=made.device)
    counts[:_ROOT] = _ROOT_WEIGHT
    off = (made - target) * (counts / counts.mean()).sqrt()
    errors = _mean(off**2, mask)
    pair = mask[:, 1:] & mask[:, :-1]
    clear = 1.0 if signal is None else signal**2
    if weights.change:
        errors = errors + weights.change * _mean(off.diff(dim=1) ** 2, pair)
    if weights.standing:
        rate = model.config.rate_hz
        stands = (windows.rows[..., 4:PER_ROOT] > 0.5)[:, 1:] & (windows.rows[..., 4:PER_ROOT] > 0.5)[:, :-1]
        moved = feet_speeds(model.plain(made), windows.bones, rate)
        moved = moved - feet_speeds(windows.rows, windows.bones, rate)
        counted = stands * pair[..., None]
        slides = ((moved**2).sum(dim=3) * counted).sum(dim=(1, 2)) / counted.sum(dim=(1, 2)).clamp(min=1)
        errors = errors + weights.standing * slides * clear
    if weights.feet:
        away = _over_floor(model.plain(made), windows.bones) - _over_floor(windows.rows, windows.bones)
        errors = errors + weights.feet * _mean((away**2).sum(dim=3), mask) * clear
    return errors


def seen_clearly(signal: Tensor) -> Tensor:
    """(B,) how much more a window counts the less noise there is, as it does for a base that predicts v.

    Counted alike (Salimans and Ho, arXiv 2202.00512), the last of the noise stays in what a base makes, as a tremor of
    seven times the jerk. An adapter is not for that: what is hers, her cadence first, is settled where most is noise.
    """
    return 1 / (1 - signal + _CALM)


def _over_floor(rows: Tensor, bones: Tensor) -> Tensor:
    """(B, W, 4, 3) leg lengths of the joints of FEET: ahead and beside of the root, and over the floor."""
    up = functional.pad(rows[..., 2:3], (2, 0))
    return feet_places(rows, bones) + up[:, :, None]


def feet_speeds(rows: Tensor, bones: Tensor, rate: float) -> Tensor:
    """(B, W - 1, 4, 3) leg lengths per second of the joints of FEET over the floor, in the heading of the frame before.

    `rows` (B, W, ROW) are not normalised, `bones` (B, 18, 3) leg lengths.
    """
    places = feet_places(rows, bones)
    turn = rows[:, 1:, 3] / rate
    cosine, sine = turn.cos()[..., None], turn.sin()[..., None]
    x, y = places[:, 1:, :, 0], places[:, 1:, :, 1]
    ahead = torch.stack([cosine * x - sine * y, sine * x + cosine * y, places[:, 1:, :, 2]], dim=3)
    on = torch.cat([rows[:, 1:, :2] / rate, rows[:, 1:, 2:3] - rows[:, :-1, 2:3]], dim=2)
    return (ahead + on[:, :, None] - places[:, :-1]) * rate


def feet_places(rows: Tensor, bones: Tensor) -> Tensor:
    """(B, W, 4, 3) leg lengths from the root to the joints of FEET, in the frame of her heading."""
    six = rows[..., PER_ROOT:].unflatten(2, (len(CANONICAL), 6))[:, :, list(_CHAIN)]
    first = functional.normalize(six[..., :3], dim=-1)
    second = six[..., 3:] - (first * six[..., 3:]).sum(dim=-1, keepdim=True) * first
    second = functional.normalize(second, dim=-1)
    local = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
    turns, places = {0: local[:, :, 0]}, {0: torch.zeros_like(rows[..., :3])}
    for k, joint in enumerate(_CHAIN[1:], 1):
        parent = CANONICAL_PARENTS[joint]
        places[joint] = places[parent] + (turns[parent] @ bones[:, None, joint, :, None])[..., 0]
        turns[joint] = turns[parent] @ local[:, :, k]
    return torch.stack([places[joint] for joint in _FEET], dim=2)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) means over the frames that exist."""
    return (values.mean(dim=2) * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
