"""What is done to a picture of one camera under one light, and doing it: sRGB in and out, linear light inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast, get_args

import numpy as np

from calibration.colour.fit import LINEAR, ROOT, expand
from calibration.pose import Floats
from capture.decode.picture import Picture
from capture.issues import JsonObject, JsonValue
from capture.stage.tone import decode_table, encode_srgb

Method: TypeAlias = Literal["chart", "board", "none"]
_BAND = 256  # rows of a picture in linear light at once


@dataclass(frozen=True)
class Quality:
    """Mean CIEDE2000 over the patches of a chart."""

    exposed: float  # exposure alone
    fitted: float  # after the matrix, on the patches that it was fitted to
    left_out: float  # each patch by a matrix that was fitted without it: the number to report
    worst_left_out: float
    other_model: float  # left_out of the model that was not chosen
    patches: int


@dataclass(frozen=True, eq=False)
class Correction:
    """The colours of one camera under one light.

    `matrix` leads to the card's reflectance as daylight would show it, and so takes the light's colour away. `rig`
    leads to what all cameras of the rig agree on: the camera's own error goes, colour and brightness of the light stay.
    """

    camera: str
    light: str
    method: Method
    exposure: float  # factor on linear light that brings a grey card to its reflectance
    white_balance: Floats  # (3,) factors for red, green and blue that make a grey card grey, green 1
    matrix: Floats  # (3, 3) on exposed linear RGB; (3, 6) for the root-polynomial
    rig: Floats  # (3, 3) or (3, 6) on linear RGB as it is
    quality: Quality | None = None  # of a chart

    def __post_init__(self) -> None:
        shapes = {(3, LINEAR), (3, ROOT)}
        if self.matrix.shape not in shapes or self.rig.shape not in shapes or self.method not in get_args(Method):
            raise ValueError(
                f"correction of {self.camera} under {self.light} has matrices {self.matrix.shape} and {self.rig.shape} "
                f"and method {self.method!r}; give (3, 3) or (3, 6), and one of {get_args(Method)}"
            )

    def to_json(self) -> JsonObject:
        """All numbers under plain keys, matrices row by row."""
        return {
            "camera": self.camera,
            "light": self.light,
            "method": self.method,
            "exposure": self.exposure,
            "white_balance": _list(self.white_balance),
            "matrix": [_list(row) for row in self.matrix],
            "rig": [_list(row) for row in self.rig],
            "quality": None if self.quality is None else cast(JsonObject, asdict(self.quality)),
        }

    @staticmethod
    def from_json(data: Mapping[str, JsonValue]) -> Correction:
        """The inverse of `to_json`."""
        quality = cast("dict[str, float] | None", data["quality"])
        balance, matrix, rig = (np.array(data[key], dtype=np.float64) for key in ("white_balance", "matrix", "rig"))
        return Correction(
            camera=str(data["camera"]),
            light=str(data["light"]),
            method=cast(Method, data["method"]),
            exposure=float(cast(float, data["exposure"])),
            white_balance=balance,
            matrix=matrix,
            rig=rig,
            quality=None if quality is None else Quality(**quality),  # type: ignore[arg-type]  # as asdict wrote them
        )


@dataclass(frozen=True, eq=False)
class WhiteSeen:
    """How much light fell on a white surface: on the card before one camera, or on the board in one shot."""

    by: Method
    light: str
    facing: Floats  # (3,) unit vector out of the surface, world
    level: Floats  # (3,) linear RGB of a perfect white there, as the mean camera of the rig sees it

    def to_json(self) -> JsonObject:
        """All numbers under plain keys."""
        return {"by": self.by, "light": self.light, "facing": _list(self.facing), "level": _list(self.level)}

    @staticmethod
    def from_json(data: Mapping[str, JsonValue]) -> WhiteSeen:
        """The inverse of `to_json`."""
        facing, level = (np.array(data[key], dtype=np.float64) for key in ("facing", "level"))
        return WhiteSeen(cast(Method, data["by"]), str(data["light"]), facing, level)


def unknown(camera: str, light: str) -> Correction:
    """The correction that changes nothing."""
    return Correction(camera, light, "none", 1.0, np.ones(3), np.eye(3), np.eye(3))


def apply(image: Picture, correction: Correction, *, keep_light: bool = False) -> Picture:
    """A picture (H, W, 3) uint8 BGR sRGB with its colours corrected; the original is not changed.

    Without `keep_light` a grey card becomes grey and as light as it is printed, whatever lit it. With `keep_light`
    only what sets this camera apart from the others of the rig is taken out. Light beyond the scale clips, as in a
    camera; method `none` returns the picture as it is.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"picture has shape {image.shape} and type {image.dtype}; give (H, W, 3) uint8 BGR sRGB")
    if correction.method == "none":
        return image.copy()
    matrix = correction.rig if keep_light else correction.exposure * correction.matrix
    done = np.empty_like(image)
    for row in range(0, len(image), _BAND):
        linear = decode_table()[image[row : row + _BAND, :, ::-1]]
        terms = expand(linear.astype(np.float64), matrix.shape[1])
        done[row : row + _BAND] = encode_srgb((terms @ matrix.T).astype(np.float32))[..., ::-1]
    return done


def _list(values: Floats) -> list[JsonValue]:
    return [float(v) for v in values]
