"""Validation inside the loop: held-out views rendered with fixed seeds and judged by the comparison's own measures.

The loss cannot see a lost birthmark, so the checkpoint that is kept is chosen by marks first and colour second. The
views it is chosen by are a split of their own, which the comparison does not judge.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from capture.images import read_image
from capture.issues import JsonObject
from training.bases.protocol import Base
from training.cached import as_tensor
from training.compare.colour import mean_delta_e
from training.compare.marks import MarkVerdict, score_marks
from training.compare.pairs import Pair
from training.compare.photographs import Photographs, render_surface
from training.compare.quality import ssim
from training.compare.score import kept_share
from training.compare.thresholds import Thresholds
from training.dataset.frames import Frame, Split, TwinDataset

_SEED = 90_001
_BATCH = 8


@dataclass(frozen=True)
class Validation:
    """How well the adapter did after some step."""

    step: int
    kept: int  # sightings of marks
    observable: int
    delta_e: float  # mean CIEDE2000 inside her mask
    ssim: float  # mean inside her mask: how much of her structure is there

    @property
    def kept_share(self) -> float:
        """Marks kept of those that can be judged; 0 where none can."""
        return self.kept / self.observable if self.observable else 0.0

    def better_than(self, other: Validation | None) -> bool:
        """Marks kept decide, colour breaks a tie; equal is not better, so that the earlier one stays."""
        return other is None or (self.kept_share, -self.delta_e) > (other.kept_share, -other.delta_e)

    def to_json(self) -> JsonObject:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Stand:
    """What validations have said so far: which one was the best, and whether there is any use in going on."""

    history: tuple[Validation, ...] = ()

    @property
    def best(self) -> Validation | None:
        """The best so far, the earliest of equals."""
        found: Validation | None = None
        for one in self.history:
            if one.better_than(found):
                found = one
        return found

    def stalled(self, patience: int) -> bool:
        """Whether the last `patience` validations brought nothing better; never for a patience of 0."""
        best = self.best
        if not patience or best is None:
            return False
        return len(self.history) - 1 - self.history.index(best) >= patience


def parse_history(values: Sequence[JsonObject]) -> Stand:
    """What `to_json` of each wrote."""
    return Stand(
        tuple(
            Validation(
                int(str(v["step"])),
                int(str(v["kept"])),
                int(str(v["observable"])),
                float(str(v["delta_e"])),
                float(str(v["ssim"])),
            )
            for v in values
        )
    )


def choose_frames(dataset: TwinDataset, *, count: int, pixels: int, private: Sequence[str] = ()) -> tuple[Frame, ...]:
    """Frames for validation of the base's size, spread over cameras and lights; those with most marks come first."""
    fit = [f for f in dataset.of(Split.VALIDATION) if (f.crop_camera.width, f.crop_camera.height) == (pixels, pixels)]
    groups: dict[tuple[str, str], list[Frame]] = {}
    for frame in sorted(fit, key=lambda f: (-_marks(f, private), f.key)):
        groups.setdefault((frame.camera, frame.light), []).append(frame)
    chosen: list[Frame] = []
    while groups and len(chosen) < count:
        for cell in sorted(groups, key=lambda c: (-_marks(groups[c][0], private), c)):
            chosen.append(groups[cell].pop(0))
            if not groups[cell]:
                del groups[cell]
    return tuple(chosen[:count])


class Validator:
    """Renders a fixed few held-out views with an adapter and judges them."""

    def __init__(self, dataset: TwinDataset, base: Base, *, count: int, private: Sequence[str] = ()) -> None:
        self._dataset, self.base, self.private = dataset, base, frozenset(private)
        self.frames = choose_frames(dataset, count=count, pixels=base.spec.pixels, private=private)
        self._photographs = Photographs(dataset.artefact)
        self._limits = Thresholds()

    def __call__(self, step: int) -> Validation:
        """The validation after some step. Draws no random number but from seeds of its own."""
        pictures = self._rendered()
        marks: list[MarkVerdict] = []
        colours, structures = [], []
        for frame, picture in zip(self.frames, pictures, strict=True):
            photograph = self._photographs.get(frame)
            mine = self._public(frame)
            pair = Pair(mine, mine, aligned=True, view_deg=0.0, light_deg=0.0)
            prepared = render_surface(picture, photograph, pair)
            marks += score_marks(photograph.surface, mine.marks, prepared, mine.marks, self._limits)
            colours.append(mean_delta_e(photograph.image, picture, photograph.mask))
            structures.append(ssim(photograph.image, picture, photograph.mask))
        share = kept_share(marks)
        return Validation(step, share.count, share.total, statistics.fmean(colours), statistics.fmean(structures))

    def _rendered(self) -> list[np.ndarray]:
        out: list[np.ndarray] = []
        for first in range(0, len(self.frames), _BATCH):
            part = self.frames[first : first + _BATCH]
            maps = as_tensor(np.stack([read_image(self._dataset.body_map(f)) for f in part]))
            condition = self.base.encode_conditions([f.text for f in part], [(f.view, f.lighting) for f in part], maps)
            seeds = [_SEED + first + k for k in range(len(part))]
            with torch.no_grad():
                sampled = self.base.sample(condition, seeds=seeds, steps=self.base.spec.steps)
            rgb = (sampled.permute(0, 2, 3, 1).numpy() * 255 + 0.5).astype(np.uint8)
            out += [np.ascontiguousarray(picture[..., ::-1]) for picture in rgb]
        return out

    def _public(self, frame: Frame) -> Frame:
        """The frame without her private marks: that one of them is missing is no fault."""
        return frame.model_copy(update={"marks": tuple(m for m in frame.marks if m.id not in self.private)})


def _marks(frame: Frame, private: Sequence[str]) -> int:
    limits = Thresholds()
    return sum(
        m.visible and 2 * m.radius_px >= limits.min_px and m.facing_deg <= limits.max_facing_deg
        for m in frame.marks
        if m.id not in private
    )
