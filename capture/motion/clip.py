"""A skeleton in motion, and bare tracks of joints: what every reader gives and every writer takes.

World metres, z up. A joint's local rotation turns its own frame into its parent's, and bone lengths are constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of joints in its own rest frame. ValueError unless the first joint is the root and parents come first."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # index of each joint's parent; -1 for the root
    offsets: F64  # (J, 3) metres, from the parent in the parent's frame; of the root: zero

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"joint {twice!r} stands twice in the skeleton")
        if not self.names or self.parents[0] != -1 or any(not 0 <= p < k for k, p in enumerate(self.parents) if k):
            raise ValueError(f"skeleton needs its root first and parents before their children, found {self.parents}")
        if self.offsets.shape != (len(self.names), 3) or len(self.parents) != len(self.names):
            raise ValueError(f"skeleton of {len(self.names)} joints has offsets {self.offsets.shape}")

    def index(self, name: str) -> int:
        """Position of a joint. ValueError for one that the skeleton lacks."""
        if name not in self.names:
            raise ValueError(f"joint {name!r} is not in the skeleton; it has {', '.join(self.names)}")
        return self.names.index(name)

    @property
    def lengths(self) -> F64:
        """(J,) metres from each joint to its parent."""
        return np.asarray(np.linalg.norm(self.offsets, axis=1))


@dataclass(frozen=True, eq=False)
class MotionClip:
    """One take of a skeleton in motion."""

    skeleton: Skeleton
    rotations: F64  # (T, J, 3, 3) parent_from_joint; of the root: world_from_root
    root: F64  # (T, 3) metres, world
    fps: float

    def __post_init__(self) -> None:
        frames, joints = len(self.root), len(self.skeleton.names)
        if self.rotations.shape != (frames, joints, 3, 3) or self.root.shape != (frames, 3):
            raise ValueError(f"clip of {frames} frames and {joints} joints has rotations {self.rotations.shape}")
        if not self.fps > 0:
            raise ValueError(f"frame rate is not positive: {self.fps}")

    def __len__(self) -> int:
        return len(self.root)

    @cached_property
    def world(self) -> tuple[F64, F64]:
        """Rotations (T, J, 3, 3) world_from_joint and places (T, J, 3) of all joints."""
        turns, places = np.empty_like(self.rotations), np.empty((*self.rotations.shape[:2], 3))
        for k, parent in enumerate(self.skeleton.parents):
            if parent < 0:
                turns[:, k], places[:, k] = self.rotations[:, k], self.root
            else:
                turns[:, k] = turns[:, parent] @ self.rotations[:, k]
                places[:, k] = places[:, parent] + turns[:, parent] @ self.skeleton.offsets[k]
        return turns, places

    @property
    def track(self) -> JointTrack:
        """The places of all joints, without the rotations."""
        return JointTrack(self.skeleton.names, self.world[1], self.fps)


@dataclass(frozen=True, eq=False)
class JointTrack:
    """Places of named joints or markers over time, without a skeleton; NaN where one was not seen."""

    names: tuple[str, ...]
    places: F64  # (T, J, 3) metres, world
    fps: float

    def __post_init__(self) -> None:
        if self.places.ndim != 3 or self.places.shape[1:] != (len(self.names), 3):
            raise ValueError(f"track of {len(self.names)} joints has places {self.places.shape}")
        if not self.fps > 0:
            raise ValueError(f"frame rate is not positive: {self.fps}")

    def __len__(self) -> int:
        return len(self.places)

    def of(self, name: str) -> F64:
        """(T, 3) one joint's places. ValueError for one that the track lacks."""
        if name not in self.names:
            raise ValueError(f"joint {name!r} is not in the track; it has {', '.join(self.names)}")
        return np.asarray(self.places[:, self.names.index(name)])
