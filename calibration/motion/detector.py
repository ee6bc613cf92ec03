"""Keypoints from pictures by a pose network in a local ONNX file, run by onnxruntime where that is installed.

Top-down networks as RTMPose's: the person's box is cut out, warped to the size of the network, and what comes back is
either SimCC (one line of scores per point for x and one for y; Li et al., ECCV 2022) or a heatmap per point.
Nothing is downloaded: a file, its licence and the person's consent are for whoever runs it to have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.motion.keypoints import Keypoints
from calibration.motion.layouts import layout_of

if TYPE_CHECKING:
    from capture.images import Picture

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

# ImageNet's mean and spread, RGB, as MMPose trains with.
_MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
_SPREAD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
_PADDING = 1.25
_MOST_SIDE = 1024


class _Put(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Sequence[object]: ...


class _Network(Protocol):
    """What of onnxruntime's InferenceSession is used here."""

    def get_inputs(self) -> Sequence[_Put]: ...

    def run(self, names: None, feed: dict[str, F32]) -> list[F32]: ...


@dataclass(frozen=True, eq=False)
class Detector:
    """A network that is ready to look. Made by `load_detector`."""

    network: _Network
    width: int  # pixels of its input
    height: int
    layout: str = ""  # of LAYOUTS; empty: by the number of points

    def look(self, picture: Picture, box: Box | None = None) -> tuple[F64, F64]:
        """Places (J, 2) in pixels of the picture and scores (J,) of the person in a box, without one in the whole.

        Raises ValueError for a picture that is not (H, W, 3), a box without size, and outputs of no known kind.
        """
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"picture has shape {picture.shape}; give (H, W, 3) BGR")
        box = box or (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))
        if not (box[2] > box[0] and box[3] > box[1]):
            raise ValueError(f"box of the person is {box}; give left, top, right, bottom in pixels")
        network_from_picture = self._fit(box)
        cut = cv2.warpAffine(picture, network_from_picture, (self.width, self.height), flags=cv2.INTER_LINEAR)
        plane = (cut[..., ::-1].astype(np.float32) - _MEAN) / _SPREAD
        feed = {self.network.get_inputs()[0].name: np.ascontiguousarray(plane.transpose(2, 0, 1)[None])}
        inside, scores = decode(self.network.run(None, feed), self.width, self.height)
        back = cv2.invertAffineTransform(network_from_picture)
        return inside @ back[:, :2].T + back[:, 2], scores

    def follow(self, pictures: Iterable[Picture], boxes: Iterable[Box | None] | None = None) -> Keypoints:
        """Keypoints of one person over the frames of one camera. Raises ValueError for no frames."""
        whole: Iterable[Box | None] = _always_none() if boxes is None else boxes
        found = [self.look(picture, box) for picture, box in zip(pictures, whole, strict=False)]
        if not found:
            raise ValueError("detector was given no pictures; give the frames of one clip")
        places, scores = np.stack([p for p, _ in found]), np.clip(np.stack([s for _, s in found]), 0.0, 1.0)
        places[scores <= 0] = np.nan
        return Keypoints(layout_of(places.shape[1], self.layout), places, scores)

    def _fit(self, box: Box) -> F64:
        """(2, 3) affine from the picture to the network: the box with a margin, in the network's proportions."""
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        scale = min(self.width / (box[2] - box[0]), self.height / (box[3] - box[1])) / _PADDING
        shift = np.array([self.width / 2, self.height / 2]) - scale * middle
        return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def load_detector(path: Path, *, layout: str = "") -> Detector:
    """Load a network from a local file. Raises ValueError, saying what to do, without the file or onnxruntime."""
    if not path.is_file():
        raise ValueError(f"pose network {path} is not there; give a local .onnx file, nothing is downloaded")
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(
            "pose network cannot be run: onnxruntime is not installed; install the extra `pose`, or give keypoints "
            "that another program made (--keypoints)"
        ) from None
    try:
        network = cast(_Network, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
    except Exception as err:  # its errors have no common base, and a damaged file is the user's to mend
        raise ValueError(f"pose network {path.name} cannot be loaded: {str(err)[:200]}") from None
    shape = [*network.get_inputs()[0].shape]
    sides = [side for side in shape[2:] if isinstance(side, int)]
    if len(shape) != 4 or shape[1] != 3 or len(sides) != 2 or not 8 <= min(sides) <= max(sides) <= _MOST_SIDE:
        raise ValueError(f"pose network {path.name} takes {shape}; a fixed (1, 3, height, width) is wanted")
    return Detector(network, sides[1], sides[0], layout)


def decode(outputs: Sequence[F32], width: int, height: int) -> tuple[F64, F64]:
    """Places (J, 2) in pixels of the network's input and scores (J,) from its outputs.

    Two outputs (1, J, X) and (1, J, Y) are SimCC, one (1, J, h, w) is heatmaps. Raises ValueError for others.
    """
    shapes = [o.shape for o in outputs]
    if len(outputs) >= 2 and outputs[0].ndim == 3 and outputs[1].ndim == 3 and shapes[0][:2] == shapes[1][:2]:
        x, y = outputs[0][0], outputs[1][0]
        bins = np.array([width / x.shape[1], height / y.shape[1]])
        places = np.stack([x.argmax(axis=1), y.argmax(axis=1)], axis=1) * bins
        return places, np.minimum(x.max(axis=1), y.max(axis=1)).astype(np.float64)
    if outputs and outputs[0].ndim == 4 and outputs[0].shape[0] == 1:
        return _peaks(outputs[0][0].astype(np.float64), width, height)
    raise ValueError(f"pose network gives {shapes}; SimCC (1, J, X) and (1, J, Y), or heatmaps (1, J, h, w) are wanted")


def _peaks(maps: F64, width: int, height: int) -> tuple[F64, F64]:
    """Peaks of heatmaps (J, h, w), a quarter of a cell towards the higher neighbour, as is usual for them."""
    count, rows, columns = maps.shape
    best = maps.reshape(count, -1).argmax(axis=1)
    v, u = best // columns, best % columns
    every = np.arange(count)

    def at(dv: int, du: int) -> F64:
        return np.asarray(maps[every, np.clip(v + dv, 0, rows - 1), np.clip(u + du, 0, columns - 1)])

    cells = np.stack([u + 0.25 * np.sign(at(0, 1) - at(0, -1)), v + 0.25 * np.sign(at(1, 0) - at(-1, 0))], axis=1)
    # The middle of a cell is the middle of the pixels that it stands for.
    return (cells + 0.5) * (width / columns, height / rows) - 0.5, maps.reshape(count, -1).max(axis=1)


def _always_none() -> Iterable[None]:
    while True:
        yield None
