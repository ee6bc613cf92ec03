"""Clips of movement as what a base learns from: rows of features, the way they go, and windows cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from capture.issues import Issue, issue
from capture.motion.canonical import CANONICAL, JointsMissing
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.skeletons import retarget
from training.movement.body import RATE_HZ, SHORTEST_S
from training.movement.conditions import LONGEST, PERSON, WAY, Conditions, Vocabulary
from training.movement.factors import at_rate
from training.movement.features import encode, in_legs
from training.movement.plausibility import floor_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# A stride takes a second: what it adds to the way is her movement, the rest is where she goes. Smoothed over less, a
# quarter of her sway stays in the way, and a base reads from it which foot is ahead; a way that is asked for has none.
PATH_SIGMA_S = 0.8
_LEAST_STD = 0.05  # of a row's number: what hardly moves must not be blown up to noise
_MIRROR = np.diag([1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Take:
    """One clip on the canonical skeleton, at the base's rate, standing on the floor, in leg lengths."""

    rows: F32  # (T, ROW)
    path: F32  # (T, PATH)
    bones: F32  # (18, 3) leg lengths, the skeleton's offsets
    action: str  # empty: not said
    person: str = PERSON
    standing_m: float = 0.0  # metres by which it was lowered onto the floor

    def __len__(self) -> int:
        return len(self.rows)


def take_of(
    clip: MotionClip, *, action: str, person: str = PERSON, rate_hz: float = RATE_HZ, where: str = "clip"
) -> Take | Issue:
    """A clip of any known rig as a take, or the issue that keeps it from being one."""
    if len(clip) < SHORTEST_S * clip.fps:
        found = f"{len(clip) / clip.fps:.2f} s"
        return issue("MOTION_TOO_SHORT", where=where, expected=f"at least {SHORTEST_S:g} s", found=found)
    try:
        own = at_rate(retarget(clip), rate_hz)
    except JointsMissing as err:
        missing = ", ".join(err.missing)
        return issue("MOTION_JOINT_MISSING", where=where, expected="18 joints", found=f"no {missing}")
    level = floor_of([own.track]).z
    features = in_legs(encode(replace_root(own, own.root - (0.0, 0.0, level))))
    bones = (own.skeleton.offsets / features.unit_m).astype(np.float32)
    rows = features.array.astype(np.float32)
    return Take(rows, way_of(rows, features.fps), bones, action, person, level)


def way_of(rows: F32, fps: float) -> F32:
    """(T, PATH) where rows of features go: their speeds and heading rate without what each step adds."""
    way = gaussian_filter1d(rows[:, list(WAY)], PATH_SIGMA_S * fps, axis=0, mode="nearest")
    return np.asarray(way, dtype=np.float32)


def mirrored(clip: MotionClip) -> MotionClip:
    """A canonical clip with left and right exchanged: somebody else's movement, never hers."""
    swap = [CANONICAL.index(_other(name)) for name in CANONICAL]
    skeleton = Skeleton(CANONICAL, clip.skeleton.parents, clip.skeleton.offsets[swap] @ _MIRROR)
    return MotionClip(skeleton, _MIRROR @ clip.rotations[:, swap] @ _MIRROR, clip.root @ _MIRROR, clip.fps)


def replace_root(clip: MotionClip, root: F64) -> MotionClip:
    """The same movement at other places (T, 3) metres."""
    return MotionClip(clip.skeleton, clip.rotations, root, clip.fps)


def statistics(takes: Sequence[Take]) -> tuple[Tensor, Tensor]:
    """Mean and spread (ROW,) of the rows of all takes, every take with the same weight a frame."""
    rows = np.concatenate([take.rows for take in takes]).astype(np.float64)
    mean, std = rows.mean(axis=0), np.maximum(rows.std(axis=0), _LEAST_STD)
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


@dataclass(frozen=True, eq=False)
class Windows:
    """A batch cut from takes: rows in leg lengths, not normalised, zero beyond the mask."""

    rows: Tensor  # (B, W, ROW)
    bones: Tensor  # (B, 18, 3)
    asked: Conditions

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> Windows:
        """The same on another device."""
        return Windows(self.rows.to(device), self.bones.to(device), self.asked.to(device))


class Cutter:
    """Cuts windows from takes at random. Everything that is drawn comes from the generator that is given."""

    def __init__(
        self, takes: Sequence[Take], vocabulary: Vocabulary, *, window: int, rate_hz: float, spelled: float = 0.0
    ) -> None:
        """`spelled` is the share of windows whose action is told by letters. ValueError without takes."""
        if not takes:
            raise ValueError("no takes given; there is nothing to cut windows from")
        self.takes, self.window, self.rate, self.spelled = tuple(takes), window, rate_hz, spelled
        self.lengths = torch.tensor([len(take) for take in takes])
        self.actions = torch.tensor([vocabulary.spell(take.action) for take in takes])
        self.letters = torch.tensor([_letters(vocabulary, take.action) for take in takes])
        self.people = torch.tensor([vocabulary.spell(take.person) for take in takes])

    def draw(self, count: int, generator: torch.Generator, weights: Tensor | None = None) -> Windows:
        """Windows from takes chosen by weight, by default by their length."""
        chances = self.lengths.float() if weights is None else weights
        chosen = torch.multinomial(chances, count, replacement=True, generator=generator)
        slack = (self.lengths[chosen] - self.window).clamp(min=0)
        starts = (torch.rand(count, generator=generator) * (slack + 1)).long()
        return self.cut(chosen, starts, letters=torch.rand(count, generator=generator) < self.spelled)

    def cut(self, chosen: Tensor, starts: Tensor, *, letters: Tensor | None = None) -> Windows:
        """The windows that begin at frames `starts` (B,) of takes `chosen` (B,)."""
        count, first = len(chosen), self.takes[0]
        rows = np.zeros((count, self.window, first.rows.shape[1]), np.float32)
        path = np.zeros((count, self.window, first.path.shape[1]), np.float32)
        mask, bones = np.zeros((count, self.window), bool), np.empty((count, *first.bones.shape), np.float32)
        for k, (index, start) in enumerate(zip(chosen.tolist(), starts.tolist(), strict=True)):
            take = self.takes[index]
            length = min(self.window, len(take) - start)
            rows[k, :length], path[k, :length] = (part[start : start + length] for part in (take.rows, take.path))
            mask[k, :length], bones[k] = True, take.bones
        frames = mask.sum(axis=1)
        action = self.actions[chosen]
        if letters is not None:
            action = torch.where(letters[:, None], self.letters[chosen], action)
        told = torch.zeros(count, dtype=torch.bool)
        asked = Conditions(
            action=action, person=self.people[chosen],
            path=torch.from_numpy(path), path_open=told.clone(),
            speed=torch.from_numpy((path[..., 0].sum(axis=1) / frames).astype(np.float32)), speed_open=told.clone(),
            seconds=torch.from_numpy((frames / self.rate).astype(np.float32)), seconds_open=told.clone(),
            mask=torch.from_numpy(mask),
        )  # fmt: skip
        return Windows(torch.from_numpy(rows), torch.from_numpy(bones), asked)


def _letters(vocabulary: Vocabulary, action: str) -> list[int]:
    """The action by its letters, or by its words where they are too long to spell."""
    if len(action.replace(" ", "")) > LONGEST:
        return vocabulary.spell(action)
    return vocabulary.spell(action, letters=True)


def _other(name: str) -> str:
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    return name.removesuffix("_right") + "_left" if name.endswith("_right") else name


def renamed(take: Take, person: str) -> Take:
    """The same take told as another person's."""
    return replace(take, person=person)
