"""Where she is in a photograph: the person against an empty plate of the same camera, and her skin.

The plate may have been lit otherwise than the frame, and she throws shadows. So frame and plate are compared
as a ratio in linear light: a smooth gain is fitted and divided out, which turns the background into even grey
and a shadow into a darker grey of nearly the same hue. GrabCut then cuts the person out of that ratio image.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
F32 = NDArray[np.float32]
Image = NDArray[np.uint8]

_WORK_PX = 448  # long side at which the mask is found; the edge is then refined at full size
_FLOOR = 0.004  # linear light of sensor noise: keeps ratios of black pixels near 1
_MIN_SHARE = 0.0015  # of the picture; a smaller difference is dirt or noise, not a person
_SHADOW = float(np.log(0.12))  # a shadow on floor or wall keeps at least this share of the light


def person_mask(image: Image, plate: Image) -> Bool:
    """Pixels (H, W) of the person in a picture (H, W, 3), BGR, given the empty plate of the same camera.

    Empty (all False) when nobody stands out. Raises ValueError when the sizes differ.
    """
    if image.shape != plate.shape or image.ndim != 3:
        raise ValueError(f"image is {image.shape}, plate is {plate.shape}; give both of one camera, (H, W, 3)")
    scale = min(1.0, _WORK_PX / max(image.shape[:2]))
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    empty = cv2.resize(plate, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    ratio = _level_rows(_even(_log_ratio(small, empty)))
    sure, maybe = _seeds(ratio)
    if sure.mean() < _MIN_SHARE:
        return np.zeros(image.shape[:2], dtype=bool)
    coarse = _largest(_cut(_as_picture(ratio), sure, maybe))
    return _sharpen(coarse, image)


def person_mask_of_lights(images: Sequence[Image], plate: Image) -> Bool:
    """Her mask (H, W) from one view of one pose under several lights: what at least a third of them show.

    Clothes of the backdrop's colour vanish under some lights, but rarely under all; shadows lie elsewhere
    each time. Raises ValueError without images.
    """
    if not images:
        raise ValueError("person_mask_of_lights got no images; give one for each light")
    masks = [person_mask(image, plate) for image in images]
    votes = np.sum(masks, axis=0)
    return _largest(votes >= max(1, round(len(masks) / 3))) if votes.any() else masks[0]


def estimate_plate(frames: Sequence[Image]) -> Image:
    """The background (H, W, 3) of a clip for which no plate was shot: the densest value of every pixel over
    time.

    Where she covers a place in most frames, the result shows her; such a place cannot be known from the clip.
    Raises ValueError for fewer than three frames or unequal sizes.
    """
    if len(frames) < 3:
        raise ValueError(f"estimate_plate got {len(frames)} frames, needs at least 3 spread over the clip")
    if len({f.shape for f in frames}) != 1:
        raise ValueError(f"frames have sizes {sorted({f.shape for f in frames})}; give frames of one camera")
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, min(len(frames), 41)).round().astype(int)]
    out = np.empty_like(chosen[0])
    for top in range(0, out.shape[0], 64):  # bands keep the sorted stack small
        out[top : top + 64] = _half_sample_mode(np.stack([f[top : top + 64] for f in chosen]))
    return out


def skin_mask(image: Image, mask: Bool) -> Bool:
    """Her bare skin (H, W) inside her mask, for any tone and under coloured light.

    A wide range of hue gives the first guess; the skin of this person under this light is then the largest
    compact cluster of hue in it. Raises ValueError when the sizes differ.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"image is {image.shape}, mask is {mask.shape}; give the mask of this image")
    if not mask.any():
        return np.zeros_like(mask)
    lab = np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), dtype=np.float32)
    smooth = np.asarray(cv2.GaussianBlur(lab, (0, 0), max(1.0, max(mask.shape) / 700)), dtype=np.float32)
    hue = _hue_plane(smooth)
    usable = mask & (lab[..., 0] > 3) & (lab[..., 0] < 98)
    if not usable.any():
        return np.zeros_like(mask)
    every = max(1, int(usable.sum()) // 20_000)
    centre, spread = _skin_cluster(hue[usable][::every], lab[..., 0][usable][::every])
    a, b = hue[..., 0] - centre[0], hue[..., 1] - centre[1]
    (aa, ab), (_, bb) = np.linalg.inv(spread)
    near = aa * a * a + 2 * ab * a * b + bb * b * b < 3.2**2
    size = max(3, round(max(mask.shape) / 300) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx((near & usable).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return _with_patches(opened.astype(bool), mask)


def _log_ratio(image: Image, plate: Image) -> F32:
    return np.asarray(np.log(_linear(image) + _FLOOR) - np.log(_linear(plate) + _FLOOR), dtype=np.float32)


def _linear(image: Image) -> F32:
    value = np.arange(256) / 255.0
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[image]


def _even(ratio: F32) -> F32:
    """The log ratio less the smooth change of light, a quadratic in each channel fitted to the background
    only.
    """
    rows, cols = ratio.shape[:2]
    y, x = np.mgrid[-1 : 1 : complex(rows), -1 : 1 : complex(cols)].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = max(1, rows // 80)
    a, b = basis[::step, ::step].reshape(-1, 6), ratio[::step, ::step].reshape(-1, 3)
    # She is rarely at the left or right border, so that the fit starts from there.
    weight = (np.abs(a[:, 1]) > 0.6).astype(np.float32)
    residual = b
    for _ in range(12):
        w = weight[:, None]
        coefficients = np.linalg.lstsq(a * w, b * w, rcond=None)[0]
        residual = b - a @ coefficients
        size = np.linalg.norm(residual, axis=1)
        sigma = max(1.4826 * float(np.median(size[weight > 0.1])), 0.02)
        weight = (1 / (1 + (size / (2 * sigma)) ** 2)).astype(np.float32)
    even = ratio - basis @ coefficients.astype(np.float32)
    return np.asarray(even, dtype=np.float32)


def _level_rows(ratio: F32) -> F32:
    """Take out what is left of the light from row to row: floor and wall meet the light at other angles.

    The rows from the bottom of the picture up, as far as it goes, are levelled to their own left and right ends, where
    the background runs on.
    """
    width = ratio.shape[1]
    rim = max(3, width // 12)
    light, chroma = _split(ratio)
    plain = np.linalg.norm(chroma, axis=-1) < max(0.12, 4 * float(np.median(np.linalg.norm(chroma, axis=-1))))
    ends = []
    for part in (np.s_[:, :rim], np.s_[:, -rim:]):
        seen = np.where(plain[part], light[part], np.nan)
        usable = plain[part].mean(axis=1) > 0.5
        level = np.zeros(len(light))
        if usable.any():
            level[usable] = np.nanmedian(seen[usable], axis=1)
            level = np.interp(np.arange(len(level)), np.flatnonzero(usable), level[usable])
        ends.append(level)
    # Only a rise that both ends share is the floor's; darker rows are left to the tolerance for shadows.
    level = np.clip(np.minimum(*ends), 0.0, 0.6)
    above = np.flatnonzero(level < 0.03)
    level[: above[-1] + 1 if len(above) else 0] = 0
    return np.asarray(ratio - level[:, None, None], dtype=np.float32)


def _split(ratio: F32) -> tuple[F32, F32]:
    """Log brightness (H, W) and log chromaticity (H, W, 2: red against blue, green against both)."""
    blue, green, red = ratio[..., 0], ratio[..., 1], ratio[..., 2]
    chroma = np.stack([red - blue, green - (red + blue) / 2], axis=-1)
    return np.asarray((red + green + blue) / 3, dtype=np.float32), np.asarray(chroma, dtype=np.float32)


def _seeds(ratio: F32) -> tuple[Bool, Bool]:
    """Pixels that are surely the person, and those that may be; the rest looks like background or its
    shadow.
    """
    light, chroma = _split(np.asarray(cv2.GaussianBlur(ratio, (0, 0), 0.8), dtype=np.float32))
    colour = np.linalg.norm(chroma, axis=-1)
    noise = 1.4826 * float(np.median(colour))
    hue = max(0.10, 4 * noise)
    rim = 1.4826 * float(np.median(np.abs(light)))
    bright = max(0.22, 4 * rim)
    strong = (colour > 2 * hue) | (light > 2 * bright) | (light < _SHADOW - 0.3)
    weak = (colour > hue) | (light > bright) | (light < _SHADOW)
    sure = cv2.morphologyEx(strong.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
    return _main_parts(sure, share=0.02), weak


def _as_picture(ratio: F32) -> Image:
    """The evened ratio as a picture for GrabCut; brightness counts less than hue, because shadows change
    it.
    """
    light, chroma = _split(ratio)
    planes = [128 + 36 * np.clip(light, -3.4, 3.4), *(128 + 130 * np.tanh(chroma[..., k]) for k in (0, 1))]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def _cut(picture: Image, sure: Bool, maybe: Bool) -> Bool:
    labels = np.full(sure.shape, cv2.GC_PR_BGD, dtype=np.uint8)
    labels[maybe] = cv2.GC_PR_FGD
    reach = max(5, max(sure.shape) // 12)
    far = cv2.dilate((sure | maybe).astype(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    labels[far] = cv2.GC_BGD
    labels[sure] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any() and not (labels == cv2.GC_PR_BGD).any():
        return sure | maybe
    rows, cols = np.flatnonzero((~far).any(axis=1)), np.flatnonzero((~far).any(axis=0))
    box = np.s_[max(0, rows[0] - 6) : rows[-1] + 7, max(0, cols[0] - 6) : cols[-1] + 7]
    part = np.ascontiguousarray(labels[box])
    cv2.setRNGSeed(7)  # GrabCut starts its colour models at random
    cv2.grabCut(np.ascontiguousarray(picture[box]), part, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)),
                3, cv2.GC_INIT_WITH_MASK)  # fmt: skip
    out = np.zeros(sure.shape, dtype=bool)
    out[box] = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    return out


def _largest(mask: Bool) -> Bool:
    """The main part and parts at least a fiftieth as large, holes under a hundredth of it filled."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
    kept = _main_parts(opened if opened.any() else mask, share=0.02)
    return _fill_small_holes(kept, np.ones_like(kept), limit=int(0.01 * kept.sum()) + 4)


def _main_parts(mask: Bool, *, share: float) -> Bool:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask
    sizes = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    sizes[0] = 0
    return np.asarray((sizes >= share * sizes.max())[labels] & (labels > 0))


def _fill_small_holes(mask: Bool, within: Bool, *, limit: int) -> Bool:
    """Fill holes of at most `limit` pixels that lie wholly in `within`."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    outside = np.zeros(count, dtype=bool)
    outside[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = True
    outside[np.unique(labels[~within & ~mask])] = True
    small = (stats[:, cv2.CC_STAT_AREA] <= limit) & ~outside
    return np.asarray(mask | (small[labels] & ~mask))


def _with_patches(skin: Bool, mask: Bool) -> Bool:
    """Skin and the small compact patches of her that are no skin by hue: marks, also where they touch her outline."""
    long_side = max(mask.shape)
    size = max(3, round(long_side / 250) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    rest = (mask & ~skin).astype(np.uint8)
    # Opening cuts patches off the rim of mixed pixels along her outline, which joins all of them.
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(rest, cv2.MORPH_OPEN, kernel))
    extent = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    patch = (extent <= 0.075 * long_side) & (stats[:, cv2.CC_STAT_AREA] <= 0.012 * mask.sum())
    patch[0] = False
    grown = cv2.dilate(patch[labels].astype(np.uint8), np.ones((size + 2, size + 2), np.uint8)) > 0
    return _fill_small_holes(skin | (grown & mask), mask, limit=int(0.012 * mask.sum()))


def _sharpen(coarse: Bool, image: Image) -> Bool:
    """The mask at full size: in a narrow band each pixel goes to the side whose local mean colour it is
    nearer to.
    """
    rows, cols = image.shape[:2]
    if coarse.shape == (rows, cols):
        return coarse
    width = rows / coarse.shape[0]
    soft = cv2.resize(coarse.astype(np.float32), (cols, rows), interpolation=cv2.INTER_LINEAR)
    start = cv2.GaussianBlur(soft, (0, 0), 0.6 * width) > 0.5
    size = 2 * max(1, round(1.3 * width)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    inner = cv2.erode(start.astype(np.uint8), kernel) > 0
    outer = cv2.dilate(start.astype(np.uint8), kernel) == 0
    band = ~(inner | outer)
    picture, reach = image.astype(np.float32), (4 * size + 1, 4 * size + 1)
    front, front_known = _local_mean(picture, inner, reach)
    back, back_known = _local_mean(picture, outer, reach)
    step = front - back
    power = (step * step).sum(axis=-1)
    share = ((picture - back) * step).sum(axis=-1) / np.maximum(power, 1.0)
    # Where both sides look alike the picture cannot say more than the coarse cut did.
    telling = band & front_known & back_known & (power > 12.0**2)
    alpha = np.where(telling, np.clip(share, 0, 1), start).astype(np.float32)
    alpha = np.where(inner, 1, np.where(outer, 0, cv2.GaussianBlur(alpha, (0, 0), 0.8)))
    return _largest(alpha > 0.5)


def _local_mean(picture: F32, where: Bool, reach: tuple[int, int]) -> tuple[F32, Bool]:
    weight = where.astype(np.float32)
    total = cv2.boxFilter(weight, -1, reach, normalize=False)
    mean = cv2.boxFilter(picture * weight[..., None], -1, reach, normalize=False) / np.maximum(total, 1)[..., None]
    return mean.astype(np.float32), np.asarray(total > 4)


def _half_sample_mode(stack: Image) -> Image:
    """Densest colour over axis 0 of (T, H, W, 3): halve the window with the least range of grey until few are
    left.
    """
    grey = stack.astype(np.float32) @ np.array([0.114, 0.587, 0.299], dtype=np.float32)
    order = np.argsort(grey, axis=0)
    value = np.take_along_axis(grey, order, axis=0)
    start = np.zeros((1, *value.shape[1:]), dtype=np.int64)
    count = len(value)
    while count > 5:
        half = (count + 1) // 2
        offsets = np.arange(count - half + 1)[:, None, None] + start
        width = np.take_along_axis(value, offsets + half - 1, axis=0) - np.take_along_axis(value, offsets, axis=0)
        start = start + width.argmin(axis=0)[None]
        count = half
    chosen = np.take_along_axis(order, np.arange(count)[:, None, None] + start, axis=0)
    return np.median(np.take_along_axis(stack, chosen[..., None], axis=0), axis=0).astype(np.uint8)


def _hue_plane(lab: F32) -> F32:
    """a* and b* over lightness, (H, W, 2): nearly the same on the lit and the shaded side of one surface."""
    return np.asarray(lab[..., 1:] / (lab[..., :1] + 16.0), dtype=np.float32)


def _skin_cluster(hue: F32, lightness: F32) -> tuple[F32, NDArray[np.float64]]:
    """Mean (2,) and covariance (2, 2) of the largest compact cluster of hue in reach of skin, by histogram
    and refits.
    """
    angle = np.degrees(np.arctan2(hue[:, 1], hue[:, 0]))
    strength = np.linalg.norm(hue, axis=1)
    likely = (angle > 0) & (angle < 95) & (strength > 0.10)
    if likely.sum() < 0.05 * len(hue):
        # Under strongly coloured light skin has no skin hue; the clothes may, but skin is the larger part of
        # her.
        likely = np.ones(len(hue), dtype=bool)
    points, light = hue[likely], lightness[likely]
    bins = np.floor((points + 2.0) / 0.035).astype(int)
    code = bins[:, 0] * 4096 + bins[:, 1]
    values, inverse = np.unique(code, return_inverse=True)
    # Bright pixels know their hue better, and black hair or cloth has none at all.
    votes = np.bincount(inverse, weights=np.clip(light, 5, 50))
    centre = points[inverse == votes.argmax()].mean(axis=0)
    spread = np.eye(2) * 0.05**2
    for _ in range(8):
        offset = points - centre
        near = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(spread), offset) < 2.8**2
        if near.sum() < 20:
            break
        centre = points[near].mean(axis=0)
        spread = np.cov(points[near].T) * 1.25 + np.eye(2) * 0.012**2
        # Skin of one person under one light never spreads farther than this.
        spread *= min(1.0, 0.09**2 / float(np.linalg.eigvalsh(spread)[-1]))
    return centre.astype(np.float32), spread
