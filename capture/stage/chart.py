"""A 24-patch colour chart with the published colours, held toward a camera. Rows and columns as on the print."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.stage.lens import StageCamera, StageLight
from capture.stage.plane import Print, draw_print, print_levels
from capture.stage.render import render_empty
from capture.stage.tone import linear_from_srgb

F64 = NDArray[np.float64]

# sRGB (8 bit, D65) of the 24 patches, row by row from dark skin to black: X-Rite's values for cards made after November
# 2014, adapted from D50 (Bradford). Cyan lies outside sRGB: its red is held at 8, above black.
CHART_SRGB = np.array(
    [
        [116, 79, 65], [197, 144, 127], [91, 120, 155], [91, 108, 64], [131, 127, 175], [95, 189, 172],
        [224, 124, 48], [69, 90, 167], [197, 80, 95], [93, 58, 104], [156, 187, 58], [227, 161, 39],
        [40, 62, 145], [61, 147, 70], [178, 54, 57], [236, 200, 15], [191, 79, 146], [8, 133, 165],
        [241, 242, 235], [201, 202, 201], [161, 163, 163], [121, 121, 121], [83, 84, 85], [50, 50, 50],
    ]
)  # fmt: skip
_PATCH_MM, _GAP_MM, _BORDER_MM = 40, 6, 10
_PIXELS_PER_MM = 4


def chart_linear() -> F64:
    """(24, 3) linear RGB of the patches."""
    return linear_from_srgb(CHART_SRGB / 255)


@lru_cache(maxsize=1)
def chart_print() -> Print:
    """The chart's paper; the frame's origin is its middle."""
    width = 6 * _PATCH_MM + 5 * _GAP_MM + 2 * _BORDER_MM
    height = 4 * _PATCH_MM + 3 * _GAP_MM + 2 * _BORDER_MM
    scale = _PIXELS_PER_MM
    paper = np.full((height * scale, width * scale, 3), 0.012, dtype=np.float32)
    for k, colour in enumerate(chart_linear()):
        row, column = divmod(k, 6)
        y = (_BORDER_MM + row * (_PATCH_MM + _GAP_MM)) * scale
        x = (_BORDER_MM + column * (_PATCH_MM + _GAP_MM)) * scale
        paper[y : y + _PATCH_MM * scale, x : x + _PATCH_MM * scale] = colour
    levels = print_levels(paper, 3)
    return Print(
        levels=levels,
        pixels_per_m=tuple(1000.0 * scale / 2**k for k in range(len(levels))),
        origin_m=(width / 2000, height / 2000),
        size_m=(width / 1000, height / 1000),
    )


def chart_pose(camera: StageCamera, centre: F64, *, roll_deg: float = 4.0) -> F64:
    """(4, 4) world_from_chart: the chart at centre, square to the camera's line of sight, slightly rolled."""
    outward = camera.position - centre
    outward /= np.linalg.norm(outward)
    right = np.cross([0.0, 0.0, 1.0], outward)
    right /= np.linalg.norm(right)
    down = np.cross(-outward, right)
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([c * right + s * down, c * down - s * right, -outward])
    pose[:3, 3] = centre
    return pose


def render_chart(
    world_from_chart: F64, camera: StageCamera, light: StageLight, *, backdrop: str = "grey"
) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 BGR of the chart in the empty studio."""
    picture = render_empty(backdrop, camera, light).copy()
    draw_print(picture, chart_print(), world_from_chart, camera, light)
    return picture
