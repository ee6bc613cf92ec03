"""From noise to frames of movement: diffusers' DDIM, guidance, and frames that are held to what is known.

Known frames replace what the base predicts at every step, before the step is taken (MDM's in-betweening): the frames
between are made to fit them, and they come out exactly. So does the way on the floor where one is asked for: what each
step adds to it is hers, where she goes is not. A loop is the same with two ends that are held to each other.

The last of the noise is taken away at once: by then it is decided how she walks, and what a small base adds to it step
by step from there on is tremor (the error of a known walk goes from 0.047 to 0.066, its jerk to seven times as much).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn import functional

from training.movement.base import NOISE_STEPS, ROW, MovementBase
from training.movement.conditions import WAY, Conditions
from training.movement.windows import PATH_SIGMA_S


@dataclass(frozen=True)
class Sampling:
    """How frames are drawn."""

    seed: int = 0
    steps: int = 50
    guidance: float = 1.0  # 1: as asked; above, further from what the base does without action and person
    calm: int = 150  # the step of the noise, of 1000, from which the rest is taken away at once

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 1000:
            raise ValueError(f"sampling steps must be 1 to 1000, found {self.steps}")
        if not self.guidance >= 0:
            raise ValueError(f"guidance must be 0 or more, found {self.guidance}")
        if not 0 <= self.calm < NOISE_STEPS:
            raise ValueError(f"noise to be taken away at once must be 0 to {NOISE_STEPS - 1}, found {self.calm}")


@dataclass(frozen=True, eq=False)
class Held:
    """Frames that are known, and how many of the last ones are to equal the first."""

    rows: Tensor  # (B, W, ROW) normalised
    known: Tensor  # (B, W) bool
    loop: int = 0

    def __call__(self, made: Tensor, length: int) -> Tensor:
        """What was predicted, with the known frames in it; `length` is how many frames exist."""
        made = torch.where(self.known[..., None], self.rows, made)
        if not self.loop:
            return made
        made = made.clone()
        first, last = made[:, : self.loop], made[:, length - self.loop : length]
        # At its own end each of the two has its own frames behind it, and is the better there.
        share = torch.linspace(0, 1, self.loop, device=made.device)[None, :, None]
        both = (1 - share) * last + share * first
        made[:, : self.loop], made[:, length - self.loop : length] = both, both
        return made


def nothing_held(count: int, window: int, device: torch.device) -> Held:
    """No frame is known."""
    rows = torch.zeros(count, window, ROW, device=device)
    return Held(rows, torch.zeros(count, window, dtype=torch.bool, device=device))


@torch.no_grad()
def sample(
    model: MovementBase, schedule: DDIMScheduler, asked: Conditions, how: Sampling, *, held: Held | None = None
) -> Tensor:
    """(B, W, ROW) normalised rows of what is asked for. The same seed gives the same rows.

    Frames beyond the mask mean nothing. ValueError for a loop over masks of several lengths.
    """
    device = model.mean.device
    count, window = asked.mask.shape
    held = held or nothing_held(count, window, device)
    lengths = asked.mask.sum(dim=1)
    if held.loop and (int(lengths.min()) != int(lengths.max()) or 2 * held.loop > int(lengths[0])):
        raise ValueError("loop needs movements of one length, of twice as many frames as are held, or more")
    generator = torch.Generator().manual_seed(how.seed)
    rows = torch.randn((count, window, ROW), generator=generator).to(device)
    asked = asked.to(device)
    schedule.set_timesteps(how.steps)
    for time in schedule.timesteps:
        times = torch.full((count,), float(time), device=device)
        clean = model(rows, times, asked)
        if how.guidance != 1:
            usual = model(rows, times, asked.unguided())
            clean = usual + how.guidance * (clean - usual)
        clean = on_the_way(model, clean, asked)
        clean = held(clean, int(lengths[0]))
        if time <= how.calm:
            return clean
        rows = schedule.step(clean, time, rows).prev_sample
    return cast(Tensor, rows)


def on_the_way(model: MovementBase, clean: Tensor, asked: Conditions) -> Tensor:
    """Normalised rows (B, W, ROW) that go the way that is asked for, where one is: what steps add to it stays."""
    columns = list(WAY)
    plain = clean[..., columns] * model.std[columns] + model.mean[columns]
    off = asked.path - smoothed(plain, PATH_SIGMA_S * model.config.rate_hz)
    # At its ends a window is smoothed from one side only: over the whole of it she gets on by what is asked for.
    off = (off - (plain + off - asked.path).mean(dim=1, keepdim=True)) * ~asked.path_open[:, None, None]
    kept = clean.clone()
    kept[..., columns] = clean[..., columns] + off / model.std[columns]
    return kept


def smoothed(values: Tensor, sigma: float) -> Tensor:
    """(B, W, C) through a Gaussian of `sigma` frames, its ends drawn out: what scipy's `nearest` gives."""
    reach = int(4 * sigma + 0.5)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=values.device) / sigma) ** 2)
    rows = functional.pad(values.transpose(1, 2), (reach, reach), mode="replicate")
    count = rows.shape[1]
    kernel = (taps / taps.sum()).to(values.dtype).expand(count, 1, -1)
    return functional.conv1d(rows, kernel, groups=count).transpose(1, 2)
