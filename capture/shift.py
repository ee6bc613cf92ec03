"""How far the picture of a fixed camera has moved, to a fraction of a pixel, whoever stands in front.

The usual phase correlation takes the weighted centroid of its peak, which pulls every answer to the middle of its
padded frame (half a pixel at 1088 rows). Here a coarse correlation of normalised gradients finds the whole pixels, and
small tiles of background are then aligned one by one with a gain and an offset each (Lucas and Kanade 1981; Evangelidis
and Psarakis 2008); their median is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, ifft2

F32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]
Picture: TypeAlias = NDArray[np.uint8]

_COARSE_PX = 320  # long side at which whole pixels are found
_REACH = 0.15  # of the long side; a camera pushed farther sees another scene
_TILES = 24  # aligned at most
_TILE_SHARE = 16  # a tile is this part of the long side, within
_TILE_LEAST, _TILE_MOST = 24, 64  # pixels
_FREE = 0.75  # share of a tile that must be background
_FLOOR = 8.0  # grey levels: keeps the logarithm of dark noise small
_ROUNDS = 20
_SETTLED = 1e-3  # pixels
_ALIKE = 0.6  # correlation of an aligned tile; noise alone stays below
_DETAIL = 0.004  # root mean square of the weaker gradient, in log grey levels per pixel; less shows no place


_LOG = np.log(np.arange(256, dtype=np.float32) + _FLOOR).astype(np.float32)  # (256,) of each grey level


@dataclass(frozen=True)
class Shift:
    """Where the content of the second picture lies against the first: to the right and down, in pixels."""

    x: float
    y: float
    tiles: int  # that were aligned
    spread: float  # pixels; median distance of the tiles from the answer

    @property
    def length(self) -> float:
        """Pixels."""
        return float(np.hypot(self.x, self.y))


def measure_shift(first: Picture, second: Picture, free: Bool | None = None) -> Shift | None:
    """The translation from `first` to `second`, both grey (H, W) or BGR (H, W, 3) and of one size.

    `free` (H, W) is True where both show background; by default everywhere. None when fewer than three tiles have
    detail that both pictures share: a plain backdrop has no place. Raises ValueError for unequal sizes.
    """
    if first.shape != second.shape or (free is not None and free.shape != first.shape[:2]):
        raise ValueError(f"pictures are {first.shape} and {second.shape}; give two of one size, and the mask of that")
    one, two = (_log_grey(picture) for picture in (first, second))
    open_ = np.ones(one.shape, dtype=bool) if free is None else free
    start = _whole_pixels(one, two, open_)
    found = []
    for box in _tiles(one, open_, start):
        moved = _align(one, two, box, start)
        if moved is not None:
            found.append(moved)
    if len(found) < 3:
        return None
    offsets = np.array(found)
    middle = np.median(offsets, axis=0)
    spread = float(np.median(np.hypot(*(offsets - middle).T)))
    return Shift(float(middle[0]), float(middle[1]), len(found), spread)


def glance(first: Picture, second: Picture, free: Bool) -> float | None:
    """About how far two pictures of one size are apart, in pixels, from a single step of every tile at once.

    True for moves of a fraction of a pixel, and cheap; a longer move gives some number that is not near 0. None where
    `measure_shift` could tell nothing either.
    """
    one, two = (_log_grey(picture) for picture in (first, second))
    steps = [_solver(one, box)[:2] @ _difference(one, two, box) for box in _tiles(one, free, (0, 0))]
    return float(np.hypot(*np.median(steps, axis=0))) if len(steps) >= 3 else None


def _difference(one: F32, two: F32, box: tuple[int, int, int]) -> NDArray[np.float64]:
    x, y, side = box
    tile = np.s_[y : y + side, x : x + side]
    return cast("NDArray[np.float64]", (one[tile] - two[tile]).ravel().astype(np.float64))


def _log_grey(picture: Picture) -> F32:
    """(H, W): a gain of the light is a sum here; the blur makes the gradients of the finest detail true."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cast(F32, cv2.GaussianBlur(cv2.LUT(grey, _LOG), (0, 0), 1.0))


def _gradients(grey: F32) -> tuple[F32, F32]:
    """Along x and y, per pixel: central differences."""
    kernel = np.array([[-0.5, 0.0, 0.5]], dtype=np.float32)
    return cast(F32, cv2.filter2D(grey, -1, kernel)), cast(F32, cv2.filter2D(grey, -1, kernel.T))


def _whole_pixels(one: F32, two: F32, free: Bool) -> tuple[int, int]:
    """The shift in whole pixels: the peak of the correlation of gradients divided by their local strength."""
    scale = min(1.0, _COARSE_PX / max(one.shape))
    size = (round(one.shape[1] * scale), round(one.shape[0] * scale))
    small = [cast(F32, cv2.resize(grey, size, interpolation=cv2.INTER_AREA)) for grey in (one, two)]
    open_ = cv2.resize(free.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    reach = max(2, round(_REACH * max(size)))
    # Room for the reach keeps one border from meeting the other.
    rows, cols = (cv2.getOptimalDFTSize(n + reach) for n in open_.shape)
    spectra = [fft2(_directions(grey, open_), (rows, cols)) for grey in small]
    match = ifft2(np.conj(spectra[0]) * spectra[1]).real
    near = np.roll(match, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return round((int(x) - reach) / scale), round((int(y) - reach) / scale)


def _directions(grey: F32, free: Bool) -> NDArray[np.complex64]:
    """Gradients (H, W) as complex numbers of length 0 to 1, 0 where she stands: light changes only their length."""
    x, y = _gradients(grey)
    length = np.hypot(x, y)
    usual = float(np.median(length[free])) if free.any() else 0.0
    return np.where(free, (x + 1j * y) / (length + usual + _DETAIL), 0).astype(np.complex64)


def _tiles(grey: F32, free: Bool, start: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Squares (x, y, side) of background with detail in both directions, the best first."""
    rows, cols = grey.shape
    side = int(np.clip(max(grey.shape) // _TILE_SHARE, _TILE_LEAST, _TILE_MOST))
    down, across = (rows - 2) // side, (cols - 2) // side
    if not down or not across:
        return []
    inner = np.s_[1 : 1 + down * side, 1 : 1 + across * side]
    open_ = free[inner].astype(np.float32)
    # Detail at the border of her mask moves with her.
    dx, dy = (plane[inner] * open_ for plane in _gradients(grey))
    planes = (dx * dx, dy * dy, dx * dy, open_)
    xx, yy, xy, share = (cv2.resize(plane, (across, down), interpolation=cv2.INTER_AREA) for plane in planes)
    weaker = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    scored = []
    for row, col in np.argwhere((share >= _FREE) & (weaker > _DETAIL**2)):
        x, y = 1 + int(col) * side, 1 + int(row) * side
        if 1 <= x + start[0] < cols - side - 1 and 1 <= y + start[1] < rows - side - 1:
            scored.append((float(weaker[row, col]), (x, y, side)))
    scored.sort(reverse=True)
    return [box for _, box in scored[:_TILES]]


def _align(one: F32, two: F32, box: tuple[int, int, int], start: tuple[int, int]) -> tuple[float, float] | None:
    """The shift of one tile by Gauss and Newton, or None where it does not settle near the start or looks different."""
    x, y, side = box
    tile, solve = one[y : y + side, x : x + side], _solver(one, box)
    at = np.array(start, dtype=np.float64)
    for _ in range(_ROUNDS):
        corner = at + (x, y)
        map_x, map_y = np.meshgrid(corner[0] + np.arange(side), corner[1] + np.arange(side))
        seen = cv2.remap(two, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_CUBIC)
        step = solve[:2] @ (tile - seen).ravel()
        at = at + step
        if not np.isfinite(at).all() or np.hypot(*(at - start)) > side / 2:
            return None
        if np.hypot(*step) < _SETTLED:
            alike = float(np.corrcoef(tile.ravel(), seen.ravel())[0, 1])
            return (float(at[0]), float(at[1])) if alike > _ALIKE else None
    return None


def _solver(one: F32, box: tuple[int, int, int]) -> NDArray[np.float64]:
    """(4, side * side): takes what a tile lacks to the move along x and y, the gain and the offset that explain it."""
    x, y, side = box
    tile = one[y : y + side, x : x + side]
    dx, dy = (plane[1:-1, 1:-1] for plane in _gradients(one[y - 1 : y + side + 1, x - 1 : x + side + 1]))
    effects = np.stack([dx.ravel(), dy.ravel(), tile.ravel() - tile.mean(), np.ones(side**2)]).astype(np.float64)
    return cast("NDArray[np.float64]", np.linalg.pinv(effects @ effects.T) @ effects)
