"""How much, how far up and in how much light a picture changes from frame to frame, as one row of numbers a step.

Two cameras on two sides of her see different pictures, but they see her move at the same moments (energy), rise and
sink together (rise), and the lights change for all of them (light).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.images import Grey8
from capture.video import decode_frames

Step: TypeAlias = tuple[float, float, float]  # energy, rise, light: see MotionMeter
F32: TypeAlias = NDArray[np.float32]

_BLUR = 1.0  # pixels of the small picture; makes its gradients true
_FLOOR = 4.0  # grey levels: keeps the logarithm of dark noise small
_FULL_WEIGHT = 8.0  # grey levels of change from which a pixel counts in full for `rise`
_STIFF = 1e-2  # grey levels squared per pixel: a picture at rest has rise 0 and not noise


@dataclass
class MotionMeter:
    """Takes the small grey pictures of a clip in their order; `steps` has one row for each two neighbours.

    - energy: mean absolute change in grey levels, light taken out
    - rise: how far the moving parts moved down, in heights of the picture; one shift for all of them, by least
      squares on the gradients (Lucas and Kanade 1981)
    - light: change of the whole picture's light, natural logarithm: the median over all places, which she does not move
    """

    _last: F32 | None = None
    _rows: list[Step] = field(default_factory=list)

    def add(self, small: Grey8) -> None:
        """The next frame (h, w). Raises ValueError when it is not of the size of the first."""
        now = cast(F32, cv2.GaussianBlur(small.astype(np.float32), (0, 0), _BLUR))
        if self._last is not None:
            if now.shape != self._last.shape:
                raise ValueError(
                    f"frame is {now.shape}, the one before was {self._last.shape}; give one clip at a time"
                )
            self._rows.append(_step(self._last, now))
        self._last = now

    def steps(self) -> tuple[Step, ...]:
        """(energy, rise, light) of each step so far: one less than frames."""
        return tuple(self._rows)


def _step(last: F32, now: F32) -> Step:
    thin = (slice(None, None, 4), slice(None, None, 4))
    light = float(np.median(np.log(now[thin] + _FLOOR) - np.log(last[thin] + _FLOOR)))
    even = now * np.float32(np.exp(-light)) if abs(light) > 1e-3 else now
    change = even - last
    middle = (even + last) * np.float32(0.5)
    across, down = (cv2.Sobel(middle, cv2.CV_32F, *axis, scale=0.125) for axis in ((1, 0), (0, 1)))
    weight = np.minimum(np.abs(change) / _FULL_WEIGHT, 1)
    xx, xy, yy = (float((weight * a * b).sum()) for a, b in ((across, across), (across, down), (down, down)))
    xt, yt = (float((weight * a * change).sum()) for a in (across, down))
    stiff = _STIFF * change.size
    rise = -((xx + stiff) * yt - xy * xt) / ((xx + stiff) * (yy + stiff) - xy * xy)
    return round(float(np.abs(change).mean()), 5), round(rise / now.shape[0], 7), round(light, 5)


def motion_of(path: Path) -> tuple[Step, ...]:
    """The steps of a video file. Raises VideoError."""
    meter = MotionMeter()
    for frame in decode_frames(path, threads=1):
        meter.add(frame.small())
    return meter.steps()
