"""Walks that a base makes, in numbers: do they stride, slide and jerk as real takes do, and go as they were asked?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from capture.issues import Issue
from capture.motion.bvh import read_bvh
from capture.motion.clip import MotionClip
from capture.motion.skeletons import retarget
from training.movement.base import MovementBase
from training.movement.gait import read_gait
from training.movement.generate import Wish, generate
from training.movement.plausibility import floor_of, measure
from training.movement.sampling import Sampling

SPEEDS = (0.9, 1.2, 1.5)
"""Metres per second, from a stroll to a brisk walk."""
_NUMBERS = ("skating_share", "skated_m", "jerk_mean_legs", "jerk_peak_legs", "beyond_share", "in_floor_share")


def judged_real(paths: Sequence[Path]) -> dict[str, float]:
    """Medians over recordings (BVH). ValueError where none can be measured."""
    return _medians(numbers_of(retarget(read_bvh(path, drop_first=True))) for path in paths)


def judged_samples(
    model: MovementBase, *, seeds: Iterable[int], seconds: float, speeds: Sequence[float]
) -> dict[str, float]:
    """Medians over walks straight on, one for each seed and speed, with how far they are off what was asked."""
    found = []
    for seed in seeds:
        for speed in speeds:
            path = np.array([[0.0, 0.0], [speed * seconds, 0.0]])
            wish = Wish("walk", seconds, speed, path, sampling=Sampling(seed=seed))
            made = generate(wish, model)
            numbers = numbers_of(made.clip)
            way = float(np.linalg.norm(made.clip.root[-1, :2] - made.clip.root[0, :2]))
            numbers["speed_error"] = abs(way / seconds / speed - 1)
            numbers["off_path_m"] = float(str(made.facts["off_path_m"]))
            found.append(numbers)
    return _medians(found)


def numbers_of(clip: MotionClip) -> dict[str, float]:
    """One clip: its plausibility, 1 where a steady stride was found and 0 else, and the frequency of it."""
    track = clip.track
    found = measure(track, floor_of([track]))
    if isinstance(found, Issue):
        return {"readable": 0.0}
    gait = read_gait(track)
    numbers = {name: float(getattr(found, name)) for name in _NUMBERS}
    numbers |= {"readable": 1.0, "strides": 0.0 if isinstance(gait, Issue) else 1.0}
    if not isinstance(gait, Issue):
        numbers["stride_hz"] = gait.clock.hz
    return numbers


def _medians(found: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of every number over the clips that have it; of `readable` and `strides` the share."""
    clips = list(found)
    names = list(dict.fromkeys(name for numbers in clips for name in numbers))
    if not any("strides" in numbers for numbers in clips):
        raise ValueError(f"none of {len(clips)} clips can be measured; check the base, or the folder of recordings")
    shares = ("readable", "strides")
    return {
        name: float(
            np.mean([numbers.get(name, 0.0) for numbers in clips])
            if name in shares
            else np.median([numbers[name] for numbers in clips if name in numbers])
        )
        for name in names
    }
